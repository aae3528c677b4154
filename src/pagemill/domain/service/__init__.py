"""The GPU service: its desired state, its cost, and the quality of its answers."""
