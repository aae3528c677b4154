"""Use case: put a service into place, prove it, and go back if it is not what it should be."""
