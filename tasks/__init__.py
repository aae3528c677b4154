"""Tasks: a name, retries, time limits and log lines around one call into the engine; no logic."""
