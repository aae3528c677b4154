"""Judges transcripts: signals that a text is not what stands on its page, and one score. Pure functions."""
