"""Parameters and settings into a batch that is ready to run. Nothing here imports Prefect."""
