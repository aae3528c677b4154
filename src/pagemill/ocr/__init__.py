"""The OCR endpoint: a client of its API, and the embedded service as a child process."""
