"""Google Cloud Storage: client, sources, store."""
