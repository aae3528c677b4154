"""Copies of good pages with one damaged spot each: none is blank, none is drawn otherwise and `ok` without a finding.

What no reader can see is left out: a number that became another number, and bits inside of JPEG data, which has no
checksum (docs/adr/0015).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Rendering
from tests.damaged_copies import damaged_copies, differs, is_another_number, judge, with_object_streams
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
    return (samples / f"{name}.pdf").read_bytes()


_NAMES = ["compressed text", "objects in streams", "invoice", "landscape-slide", "form-filled"]


def _assert_nothing_is_lost_silently(good: bytes, folder: Path, copies: int) -> None:
    path = folder / "copy.pdf"
    path.write_bytes(good)
    intact = judge(path)
    assert (intact.status, intact.why) == ("ok", ())
    for what, data in damaged_copies(good, copies, seed=15):
        path.write_bytes(data)
        verdict = judge(path)
        assert verdict.status != "blank", what
        lost = verdict.status == "ok" and not verdict.why and differs(intact, verdict)
        assert not lost or is_another_number(good, data), what


@pytest.mark.parametrize("name", _NAMES)
def test_no_damaged_spot_loses_anything_in_silence(name: str, samples: Path, tmp_path: Path) -> None:
    _assert_nothing_is_lost_silently(_good(name, samples, tmp_path), tmp_path, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*_NAMES, "two-column-article", "french-german", "rotated-page"])
def test_none_of_four_hundred_damaged_spots_loses_anything_in_silence(name: str, samples: Path, tmp_path: Path) -> None:
    _assert_nothing_is_lost_silently(_good(name, samples, tmp_path), tmp_path, 50)


def test_healthy_files_get_no_finding(samples: Path, render: Callable[..., Rendering]) -> None:
    canaries = Path(__file__).parents[2] / "src/pagemill/canary"
    for path in sorted([*samples.glob("*.pdf"), *canaries.glob("*.pdf")]):
        assert render(path).objections == (), path
