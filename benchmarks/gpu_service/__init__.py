"""Measures stock vLLM and our server, in turn, on one GPU. README.md says how to run it."""
