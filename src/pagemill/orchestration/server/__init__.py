"""Prefect servers: a shared one, a private one for one run, and advice on their settings."""
