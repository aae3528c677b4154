"""A Google Cloud project on loopback: gRPC servers that the real clients talk to, and front doors that check tokens.

What the real services enforce, these do: etags (ABORTED), revision names (ALREADY_EXISTS), bounds of probes, GPUs and
traffic (INVALID_ARGUMENT), quotas at the call and at the start of a revision, permissions, APIs that are off, images
and accounts that do not exist. Long-running operations run; what fails in them arrives as an operation's error, and in
the conditions of service and revision. Requests need an identity token for the service's URL, from an account that its
IAM policy lets in.
"""
