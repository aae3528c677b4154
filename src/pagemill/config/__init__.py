"""Settings of runs, of the GPU service and of work pools; only this package reads or sets environment variables."""
