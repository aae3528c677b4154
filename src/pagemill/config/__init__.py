"""Settings of runs, of the GPU service and of work pools: the only readers of the environment."""
