"""Slots of the concurrency limit that all runs share: leases, reports and repair."""
