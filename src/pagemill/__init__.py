"""pagemill turns PDFs into Markdown on one scale-to-zero OCR service."""
