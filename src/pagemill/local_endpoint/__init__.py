"""The embedded CPU OCR service: OpenAI-compatible, for machines without a GPU."""
