"""Runs that are divided into shards, which several workers read."""
