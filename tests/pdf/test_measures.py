"""What is measured of a page for those who judge its transcript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from reportlab.pdfgen.canvas import Canvas

from pagemill.domain.pages.model import LONGEST_LAYER, Rendering
from pagemill.pdf.measures import ink_shares
from tests.pdfs import write_pdf

SAMPLES = Path(__file__).parents[1] / "samples"
Render = Callable[..., Rendering]


def _sheet(paper: int, ink: int) -> NDArray[np.uint32]:
    """A tenth of it is ink."""
    levels = np.full((400, 300), paper, np.uint32)
    levels[40:80] = ink
    return levels * np.uint32(0x10101)


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255), (236, 40), (255, 245), (10, 60), (128, 255)], ids=str)
def test_ink_is_what_differs_from_the_paper_whatever_their_colours(paper: int, ink: int) -> None:
    assert ink_shares(_sheet(paper, ink))[0] == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize(
    ("paper", "ink"),
    [(0xFFFFFF, 0xFFFF00), (0xFFFFFF, 0x00FF00), (0x000000, 0xFF0000), (0x0000FF, 0xFFFFFF), (0xFFFF00, 0x000000)],
    ids=["yellow on white", "green on white", "red on black", "white on blue", "black on yellow"],
)
def test_coloured_letters_are_ink(paper: int, ink: int) -> None:
    pixels = np.full((400, 300), paper, np.uint32)
    pixels[40:80] = ink

    assert ink_shares(pixels)[0] == pytest.approx(0.1, abs=0.005)


def test_shadows_at_the_edges_are_ink_of_the_page_but_not_of_its_inside() -> None:
    pixels = np.full((400, 300), 0xFFFFFF, np.uint32)
    pixels[:, :15] = pixels[-15:] = 0

    whole, inside = ink_shares(pixels)

    assert whole > 0.07
    assert inside == 0


def test_paper_with_the_noise_of_a_scanner_has_hardly_any_ink() -> None:
    noise = np.clip(np.random.default_rng(3).normal(230, 6, (400, 300)), 0, 255).astype(np.uint32)

    assert max(ink_shares(noise * np.uint32(0x10101))) < 0.001


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (2, 3)])
def test_the_smallest_renderings_can_be_measured(shape: tuple[int, int]) -> None:
    assert ink_shares(np.full(shape, 0xFFFFFF, np.uint32)) == (0, 0)


def test_a_rendering_brings_its_ink_and_the_text_layer_that_is_usable(render: Render) -> None:
    article, scan = render(SAMPLES / "two-column-article.pdf"), render(SAMPLES / "scanned-letter.pdf")

    assert article.ink_share == pytest.approx(0.06, abs=0.03)
    assert len(article.layer.split()) > 400
    assert scan.ink_share == pytest.approx(0.09, abs=0.05)
    assert not scan.layer


def test_a_page_of_thousands_of_objects_has_no_layer_to_compare(tmp_path: Path, render: Render) -> None:
    def words(count: int) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            for index in range(count):
                canvas.drawString(40 + index % 10 * 50, 800 - index // 10 % 75 * 10, "words of")

        return draw

    path = write_pdf(tmp_path / "map.pdf", [words(700), words(2_500)])

    assert render(path, 1).layer
    assert render(path, 2).layer == ""


def test_a_layer_as_long_as_a_book_is_not_compared(tmp_path: Path, render: Render) -> None:
    def small_print(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 0.5)
        lines = canvas.beginText(20, 800)
        for _ in range(800):
            lines.textLine("The whole text of the book stands on its first page in the smallest letters. " * 2)
        canvas.drawText(lines)

    longest = render(write_pdf(tmp_path / "book.pdf", [small_print]))

    assert len("The whole text of the book" * 800 * 6) > LONGEST_LAYER
    assert longest.layer == ""
