"""Tesseract through tesserocr: several times faster than RapidOCR, needs the system's language data."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from tesserocr import OEM, PSM, PyTessBaseAPI

from pagemill.local_endpoint.engines import tesseract_data

# That of A4 at 1540 px: images have no resolution, and Tesseract's own guess is reported on standard error.
_PIXELS_PER_INCH = 132


class TesseractEngine:
    """Reads pages with one thread."""

    def __init__(self, tessdata: Path | None) -> None:
        folder, languages = tesseract_data(tessdata)
        self._api = PyTessBaseAPI(path=str(folder), lang="+".join(languages), psm=PSM.AUTO, oem=OEM.LSTM_ONLY)
        self._api.SetVariable("debug_file", "/dev/null")

    def read(self, picture: Image.Image) -> str:
        """Return the picture's text in reading order, a blank line between paragraphs; empty for a blank page."""
        self._api.SetImage(picture)
        self._api.SetSourceResolution(_PIXELS_PER_INCH)
        try:
            text: str = self._api.GetUTF8Text()
        finally:
            self._api.Clear()
        return text.strip()


def load(tessdata: Path | None) -> TesseractEngine:
    """Load the language data."""
    return TesseractEngine(tessdata)
