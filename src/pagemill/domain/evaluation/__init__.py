"""Compares what was read with what stands on the pages. Pure functions."""
