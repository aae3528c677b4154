from __future__ import annotations

from pathlib import Path

import pypdfium2 as pdfium
import pytest

from pagemill.domain.evaluation.structure import structure_of
from pagemill.domain.service.similarity import plain
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.samples.make_samples import SAMPLES, write_samples


def test_the_script_makes_the_bundled_samples_with_the_same_text_and_pages(tmp_path: Path, samples: Path) -> None:
    write_samples(tmp_path)

    for name in SAMPLES:
        for truth in (f"{name}.txt", f"{name}.md"):
            assert (tmp_path / truth).read_text() == (samples / truth).read_text()
        with pdfium.PdfDocument(tmp_path / f"{name}.pdf") as made, pdfium.PdfDocument(samples / f"{name}.pdf") as kept:
            assert [page.get_size() for page in made] == [page.get_size() for page in kept]
            assert [page.get_textpage().get_text_bounded() for page in made] == [
                page.get_textpage().get_text_bounded() for page in kept
            ]


def test_every_pdf_has_its_true_text_and_stays_small(samples: Path) -> None:
    assert (
        {path.stem for path in samples.glob("*.pdf")} == {path.stem for path in samples.glob("*.txt")} == set(SAMPLES)
    )
    assert all(path.stat().st_size < 400_000 for path in samples.glob("*.pdf"))


@pytest.mark.parametrize("name", SAMPLES)
def test_the_markdown_of_a_sample_has_the_words_of_its_text(name: str, samples: Path) -> None:
    markdown, text = (samples / f"{name}.md").read_text(), (samples / f"{name}.txt").read_text()

    assert plain(markdown) == plain(text)


def test_the_markdown_of_the_samples_shows_headings_lists_and_tables(samples: Path) -> None:
    found = [structure_of((samples / f"{name}.md").read_text()) for name in SAMPLES]

    assert all(structure.headings for structure in found)
    assert {len(structure.items) for structure in found} == {0, 4}
    tables = {name: structure.rows for name, structure in zip(SAMPLES, found, strict=True) if structure.rows}
    assert tables.keys() == {"invoice", "rotated-page", "two-column-article"}
    assert tables["invoice"][-1] == ("", "", "", "Total in pounds", "1,131.60")


@pytest.mark.parametrize(("name", "pages"), [("blank-between", 3), ("scanned-letter", 1), ("two-column-article", 2)])
async def test_samples_contain_the_pages_that_their_names_say(samples: Path, name: str, pages: int) -> None:
    async with PdfiumRasterizer(
        workers=1, page_seconds=30, memory_bytes=2 * 2**30, options=RenderOptions()
    ) as rasterizer:
        path = samples / f"{name}.pdf"
        assert await rasterizer.page_count(path) == pages
        blank = [(await rasterizer.render(path, number)).blank for number in range(1, pages + 1)]

    assert blank == [name == "blank-between" and number == 2 for number in range(1, pages + 1)]


def test_the_scanned_letter_has_no_text_layer(samples: Path) -> None:
    with pdfium.PdfDocument(samples / "scanned-letter.pdf") as letter:
        assert letter[0].get_textpage().count_chars() == 0
