"""PDF files: render workers and the pages that they render."""
