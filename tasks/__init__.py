"""Tasks: names, retries, time limits and log lines around calls into the engine; no logic."""
