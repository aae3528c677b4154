"""Uploads to a bucket: what notifications say of them, and the lists that runs read."""
