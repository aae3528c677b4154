"""pagemill turns PDFs into Markdown on one scale-to-zero OCR service."""

from importlib.metadata import version

__version__ = version("pagemill")
