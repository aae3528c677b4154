from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.poppler import compare, compared

_PAPER = np.full((160, 120), 250, np.uint8)


def test_a_blank_page_that_poppler_draws_is_lost() -> None:
    drawn = _PAPER.copy()
    drawn[40:44, 20:80] = 60

    assert compare(None, drawn)[1]
    assert not compare(None, _PAPER)[1]


def test_edges_that_are_a_little_wider_are_noise_and_a_missing_line_is_not() -> None:
    ours, wider, without = _PAPER.copy(), _PAPER.copy(), _PAPER
    ours[40:48, 16:80] = 0
    wider[40:49, 16:80] = 0

    assert compare(ours, wider) == (0.0, False)
    assert compare(ours, without)[0] == pytest.approx(8 / 300)


@pytest.mark.skipif(not shutil.which("pdftoppm"), reason="needs poppler: apt-get install poppler-utils")
async def test_samples_are_drawn_as_poppler_draws_them_and_blank_pages_are_blank_there_too(samples: Path) -> None:
    pages = await compared([samples / "invoice.pdf", samples / "blank-between.pdf"], shutil.which("pdftoppm") or "")

    assert [(page.document, page.number, page.status) for page in pages][:1] == [("invoice.pdf", 1, "image")]
    assert "blank" in {page.status for page in pages}
    assert not any(page.differs or page.lost for page in pages)
