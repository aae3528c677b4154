"""Chooses the OCR engine and names its model; importing this module loads no engine."""

from __future__ import annotations

import importlib.util
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from pagemill.errors import UsageError
from pagemill.extras import needs

SERVICE = "the embedded OCR service"

# Part of every model id: increase it when our own settings or reading order change the text.
_REVISION = 1

# Where Debian, Fedora and Homebrew install the language data; tesserocr's wheel contains none.
_TESSDATA_PLACES = (
    *("/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata"),
    *("/usr/share/tesseract/tessdata", "/usr/share/tessdata", "/usr/local/share/tessdata"),
    "/opt/homebrew/share/tessdata",
)

# All that are installed are used together. Each slows Tesseract down, so the list is short. English is required.
_LANGUAGES = ("eng", "deu", "fra", "spa", "ita", "por", "nld")


class EngineName(StrEnum):
    """The engines the service can run on."""

    RAPIDOCR = "rapidocr"
    TESSERACT = "tesseract"


_MODULES = {
    EngineName.RAPIDOCR: ("rapidocr", "onnxruntime", "cv2", "PIL", "starlette", "uvicorn"),
    EngineName.TESSERACT: ("tesserocr", "PIL", "starlette", "uvicorn"),
}


def choose_engine(requested: str = "auto", *, tessdata: Path | None = None) -> EngineName:
    """Decide which engine to run.

    Args:
        requested: An engine's name, or `auto`: Tesseract where its language data is installed, because it is
            several times faster; otherwise RapidOCR, which contains its models.
        tessdata: The folder with Tesseract's language data; None: the usual places are searched.

    Raises:
        UsageError: The engine is unknown, not installed, or without language data.
    """
    if requested == "auto":
        usable = _missing(EngineName.TESSERACT) is None and find_tessdata(tessdata) is not None
        requested = EngineName.TESSERACT if usable else EngineName.RAPIDOCR
    try:
        engine = EngineName(requested)
    except ValueError:
        raise UsageError(f"there is no OCR engine '{requested}'; choose auto, {' or '.join(EngineName)}") from None
    _require(engine)
    if engine is EngineName.TESSERACT:
        tesseract_data(tessdata)
    return engine


def model_id(engine: EngineName, *, tessdata: Path | None = None) -> str:
    """Name engine, version and settings: the name changes whenever the same image may give another text.

    Raises:
        UsageError: The engine is not installed, or Tesseract's language data is not.
    """
    package = {EngineName.RAPIDOCR: "rapidocr", EngineName.TESSERACT: "tesserocr"}[engine]
    with needs("local", SERVICE):
        release = version(package)
    if engine is EngineName.RAPIDOCR:
        return f"rapidocr-{release}-r{_REVISION}"
    _, languages = tesseract_data(tessdata)
    return f"tesserocr-{release}-{'+'.join(languages)}-r{_REVISION}"


def tesseract_data(tessdata: Path | None = None) -> tuple[Path, tuple[str, ...]]:
    """The folder with Tesseract's language data, and the languages to read with.

    Raises:
        UsageError: There is no language data.
    """
    folder = find_tessdata(tessdata)
    if folder is None:
        raise UsageError("Tesseract has no language data; type `apt install tesseract-ocr-eng`, or set TESSDATA_PREFIX")
    return folder, tuple(language for language in _LANGUAGES if _data_file(folder, language).is_file())


def find_tessdata(tessdata: Path | None = None) -> Path | None:
    """The folder with Tesseract's language data, English at least; None if there is none."""
    places = [tessdata] if tessdata else [Path(place) for place in _TESSDATA_PLACES]
    return next((place for place in places if _data_file(place, "eng").is_file()), None)


def _data_file(folder: Path, language: str) -> Path:
    return folder / f"{language}.traineddata"


def _require(engine: EngineName) -> None:
    with needs("local", SERVICE):
        if missing := _missing(engine):
            raise ModuleNotFoundError(f"No module named '{missing}'", name=missing)


def _missing(engine: EngineName) -> str | None:
    return next((name for name in _MODULES[engine] if importlib.util.find_spec(name) is None), None)
