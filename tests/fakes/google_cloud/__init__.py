"""A Google Cloud project on loopback: gRPC servers for the real clients, and service URLs that check identity tokens.

They enforce what the real services enforce: etags (ABORTED), revision names (ALREADY_EXISTS), bounds of probes, GPUs
and traffic (INVALID_ARGUMENT), quotas at the call and at the start of a revision, permissions, disabled APIs, missing
images and accounts. Long-running operations take several polls; their failures are reported as the operation's error,
and in the conditions of service and revision. Requests need an identity token for the service's URL, from an account
that its IAM policy allows.
"""
