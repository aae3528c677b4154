"""The watcher of uploads with Prefect: its parameters, the runs that it starts, and its wiring."""
