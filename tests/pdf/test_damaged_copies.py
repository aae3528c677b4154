"""Copies of good pages with one damaged spot each: none is blank, none is drawn otherwise and `ok` without a finding.

What no reader can see is left out: a number that became another number. Of JPEG data, which has no checksum, nearly
everything is seen (docs/adr/0020).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pikepdf
import pypdfium2 as pdfium
import pytest

from pagemill.domain.pages.model import Rendering
from tests.damaged_copies import damaged_copies, differs, is_another_number, judge, with_object_streams
from tests.pdf.jpegs import ENCODINGS, encoded
from tests.raw_pdf import raw_pdf

_INVOICE = b"BT /F1 14 Tf 24 TL 72 700 Td %s ET" % b" ".join(
    b"(INVOICE %d: item %d costs %d.%02d EUR, due in %d days) Tj T*" % (4711 + i, i, i * 31 % 977, i * 17, 30 + i)
    for i in range(24)
)


def _good(name: str, samples: Path, folder: Path) -> bytes:
    if name == "compressed text":
        return raw_pdf(folder / "good.pdf", _INVOICE).read_bytes()
    if name == "objects in streams":
        return with_object_streams(samples / "invoice.pdf")
    if name in ENCODINGS:
        return _scan(samples / "invoice.pdf", name, folder / "good.pdf")
    return (samples / f"{name}.pdf").read_bytes()


def _scan(page: Path, encoding: str, path: Path) -> bytes:
    """A page as a scanner writes it: a JPEG, whose paper is not quite white."""
    with pdfium.PdfDocument(page) as document:
        grey = document[0].render(scale=100 / 72, grayscale=True).to_numpy()
    noise = np.random.default_rng(3).normal(0, 3, grey.shape[:2])
    paper = np.clip(grey.reshape(noise.shape) * 0.93 + noise, 0, 255).astype(np.uint8)
    jpeg = encoded(paper, encoding)
    components = {"L": "DeviceGray", "RGB": "DeviceRGB", "CMYK": "DeviceCMYK"}[ENCODINGS[encoding]["mode"]]
    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(595, 842))
        image = pdf.make_stream(jpeg, Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Image, BitsPerComponent=8)
        image.Width, image.Height = paper.shape[::-1]
        image.ColorSpace, image.Filter = pikepdf.Name(f"/{components}"), pikepdf.Name.DCTDecode
        pdf.pages[0].Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Scan=image))
        pdf.pages[0].Contents = pdf.make_stream(b"595 0 0 842 0 0 cm /Scan Do")
        pdf.save(path, deterministic_id=True)
    return path.read_bytes()


_NAMES = ["compressed text", "objects in streams", "invoice", "landscape-slide", "form-filled"]
_SCANS = ["scanned-letter", "grey", "4:2:0", "4:4:4", "optimized", "progressive"]


def _assert_nothing_is_lost_silently(good: bytes, folder: Path, copies: int, *, but: int = 0) -> None:
    """Check damaged copies; `but`: so many of them may differ and say nothing."""
    path = folder / "copy.pdf"
    path.write_bytes(good)
    intact = judge(path)
    assert (intact.status, intact.why) == ("ok", ())
    silent = []
    for what, data in damaged_copies(good, copies, seed=15):
        path.write_bytes(data)
        verdict = judge(path)
        assert verdict.status != "blank", what
        lost = verdict.status == "ok" and not verdict.why and differs(intact, verdict)
        silent += [what] if lost and not is_another_number(good, data) else []
    assert len(silent) <= but, silent


@pytest.mark.parametrize("name", _NAMES)
def test_no_damaged_spot_loses_anything_in_silence(name: str, samples: Path, tmp_path: Path) -> None:
    _assert_nothing_is_lost_silently(_good(name, samples, tmp_path), tmp_path, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*_NAMES, "two-column-article", "french-german", "rotated-page"])
def test_none_of_four_hundred_damaged_spots_loses_anything_in_silence(name: str, samples: Path, tmp_path: Path) -> None:
    _assert_nothing_is_lost_silently(_good(name, samples, tmp_path), tmp_path, 50)


@pytest.mark.parametrize("name", ["scanned-letter", "4:2:0"])
def test_damaged_spots_in_a_scan_are_seen(name: str, samples: Path, tmp_path: Path) -> None:
    _assert_nothing_is_lost_silently(_good(name, samples, tmp_path), tmp_path, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", _SCANS)
def test_of_sixty_damaged_spots_in_a_scan_at_most_one_is_not_seen(name: str, samples: Path, tmp_path: Path) -> None:
    _assert_nothing_is_lost_silently(_good(name, samples, tmp_path), tmp_path, 60, but=1)


@pytest.mark.slow
def test_of_sixty_damaged_spots_between_restart_marks_most_are_seen(samples: Path, tmp_path: Path) -> None:
    _assert_nothing_is_lost_silently(_good("restart marks", samples, tmp_path), tmp_path, 60, but=6)


def test_healthy_files_get_no_finding(samples: Path, render: Callable[..., Rendering]) -> None:
    canaries = Path(__file__).parents[2] / "src/pagemill/canary"
    for path in sorted([*samples.glob("*.pdf"), *canaries.glob("*.pdf")]):
        assert render(path).objections == (), path
