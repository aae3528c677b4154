"""Flows: one a file, no logic. They say which tasks run, in which order."""
