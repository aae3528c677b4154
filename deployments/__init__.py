"""Everything that registers pagemill on a Prefect server."""
