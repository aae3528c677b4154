"""Where documents come from and results go: folders and buckets."""
