"""Everything that imports Prefect, except flows, tasks and deployments."""
