"""Use case: deploy a revision of the service, verify it, and roll back if it fails the checks."""
