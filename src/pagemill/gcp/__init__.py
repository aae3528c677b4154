"""Google Cloud as the deploy flow needs it: Cloud Run, Cloud Build, Artifact Registry, IAM."""
