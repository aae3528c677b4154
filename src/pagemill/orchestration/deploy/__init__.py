"""The deploy flow's wiring, parameters and report."""
