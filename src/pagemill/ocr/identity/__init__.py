"""Identity tokens for endpoints behind Google's IAM."""
