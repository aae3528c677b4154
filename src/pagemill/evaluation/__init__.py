"""Compares the results of a run with true texts that lie in a folder or a bucket."""
