"""Runs that are divided among several workers."""
