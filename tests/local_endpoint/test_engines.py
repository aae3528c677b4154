from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pagemill.errors import UsageError
from pagemill.local_endpoint import engines
from pagemill.local_endpoint.engines import EngineName, choose_engine, model_id


@pytest.fixture
def tessdata(tmp_path: Path) -> Path:
    for language in ("deu", "eng", "osd"):
        (tmp_path / f"{language}.traineddata").touch()
    return tmp_path


def test_tesseract_is_chosen_where_its_language_data_is(tessdata: Path) -> None:
    assert choose_engine("auto", tessdata=tessdata) is EngineName.TESSERACT


def test_rapidocr_is_chosen_where_tesseract_has_no_language_data(tmp_path: Path) -> None:
    assert choose_engine("auto", tessdata=tmp_path) is EngineName.RAPIDOCR


def test_the_engine_asked_for_is_taken(tessdata: Path) -> None:
    assert choose_engine("rapidocr", tessdata=tessdata) is EngineName.RAPIDOCR


def test_tesseract_without_language_data_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="apt install tesseract-ocr-eng"):
        choose_engine("tesseract", tessdata=tmp_path)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match="auto, rapidocr or tesseract"):
        choose_engine("paper")


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_MODULES", dict.fromkeys(EngineName, ("no_such_module",)))

    with pytest.raises(UsageError, match=r"the embedded OCR service needs libraries .*pip install 'pagemill\[local\]'"):
        choose_engine("rapidocr")


def test_the_model_id_names_engine_version_and_languages(tessdata: Path) -> None:
    assert model_id(EngineName.RAPIDOCR).startswith("rapidocr-")
    assert "-eng+deu-" in model_id(EngineName.TESSERACT, tessdata=tessdata)


def test_another_language_makes_another_model_id(tessdata: Path) -> None:
    before = model_id(EngineName.TESSERACT, tessdata=tessdata)

    (tessdata / "fra.traineddata").touch()

    assert model_id(EngineName.TESSERACT, tessdata=tessdata) != before


def test_choosing_an_engine_loads_none() -> None:
    program = (
        "import sys; from pagemill.local_endpoint.engines import choose_engine, model_id;"
        "model_id(choose_engine('rapidocr'));"
        "sys.exit(bool({'numpy', 'cv2', 'onnxruntime', 'rapidocr', 'tesserocr', 'PIL'} & sys.modules.keys()))"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 0
