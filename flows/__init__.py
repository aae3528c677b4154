"""Flows, one in each file: which tasks run, in which order; no logic."""
