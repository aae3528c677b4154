"""Everything else that imports Prefect: wiring, parameters, reports, slots, shards, servers."""
