"""`--mode text`: only pages whose layer says all that is seen are not sent."""

from __future__ import annotations

from pathlib import Path

import pypdfium2 as pdfium
import pytest
from reportlab.pdfgen.canvas import Canvas

from pagemill.pdf.text_layer import usable_text
from tests.pdfs import write_pdf
from tests.raw_pdfs import FIRST_PAGE, lettered, stream, write_raw

FAULTY = Path(__file__).parents[1] / "faulty_inputs"
SAMPLES = Path(__file__).parents[1] / "samples"
TEXT = "The goods are delivered within fourteen days of payment."


def _layers(path: Path) -> list[bool]:
    """For each page, whether its layer is taken."""
    with pdfium.PdfDocument(path) as document:
        document.init_forms()
        return [usable_text(page) is not None for page in document]


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("f1-hybrid-scans", 4),
        ("f4-form-values-and-stamp", 2),
        ("f5-outlined-body", 1),
        ("f6-text-layer-not-what-is-seen", 2),
    ],
)
def test_pages_whose_layer_is_not_what_is_seen_are_sent(name: str, pages: int) -> None:
    assert _layers(FAULTY / f"{name}.pdf") == [False] * pages


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("two-column-article", [True, True]),
        ("french-german", [True, True]),
        ("rotated-page", [True, True]),
        ("blank-between", [True, False, True]),
        ("scanned-letter", [False]),
        ("form-filled", [False]),
    ],
)
def test_the_layers_of_pages_of_text_are_taken(name: str, taken: list[bool]) -> None:
    assert _layers(SAMPLES / f"{name}.pdf") == taken


def _page(path: Path, draw: object) -> bool:
    def both(canvas: Canvas) -> None:
        canvas.drawString(72, 700, TEXT)
        draw(canvas)  # type: ignore[operator]

    (taken,) = _layers(write_pdf(path, [both]))
    return taken


def _rules(canvas: Canvas) -> None:
    for row in range(20):
        for column in range(6):
            canvas.rect(72 + 70 * column, 100 + 20 * row, 70, 20)


def _link(canvas: Canvas) -> None:
    canvas.linkURL("https://example.com", (72, 600, 200, 620))


@pytest.mark.parametrize("draw", [_rules, _link])
def test_rules_and_links_beside_the_text_do_not_matter(tmp_path: Path, draw: object) -> None:
    assert _page(tmp_path / "a.pdf", draw)


def _field(canvas: Canvas) -> None:
    canvas.acroForm.textfield(value="a value", x=72, y=500, width=200, height=20)


def _strokes(canvas: Canvas) -> None:
    for index in range(1600):
        canvas.line(index % 40, index // 40, index % 40 + 3, index // 40 + 5)


def _circles(canvas: Canvas) -> None:
    for index in range(60):
        canvas.circle(80 + 5 * index, 300, 2, fill=1)


def _bar(canvas: Canvas) -> None:
    canvas.rect(60, 690, 400, 30, fill=1)


def _white(canvas: Canvas) -> None:
    canvas.setFillColorRGB(1, 1, 1)
    canvas.drawString(72, 500, "a second text that nobody sees")


def _invisible(canvas: Canvas) -> None:
    text = canvas.beginText(72, 500)
    text.setTextRenderMode(3)
    text.textLine("a second text that nobody sees")
    canvas.drawText(text)


@pytest.mark.parametrize("draw", [_field, _strokes, _circles, _bar, _white, _invisible])
def test_fields_outlines_and_hidden_text_send_the_page(tmp_path: Path, draw: object) -> None:
    assert not _page(tmp_path / "a.pdf", draw)


@pytest.mark.parametrize(("side", "taken"), [(100, True), (500, False)])
def test_an_image_in_forms_counts_with_the_size_that_it_has_on_the_page(
    tmp_path: Path, side: int, *, taken: bool
) -> None:
    objects = lettered([TEXT])
    box = b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]"
    objects[FIRST_PAGE] = objects[FIRST_PAGE].replace(b"/Resources<<", b"/Resources<</XObject<</A 90 0 R>>")
    objects[FIRST_PAGE + 1] = stream(
        b"BT /F1 20 Tf 36 800 Td (%s) Tj ET q %d 0 0 %d 50 50 cm /A Do Q" % (TEXT.encode(), side, side)
    )
    objects[90] = stream(b"/B Do", box + b"/Resources<</XObject<</B 91 0 R>>>>")
    objects[91] = stream(b"/C Do", box + b"/Resources<</XObject<</C 92 0 R>>>>")
    image = b"/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray"
    objects[92] = stream(b"\x80", image)

    assert _layers(write_raw(tmp_path / "a.pdf", objects)) == [taken]
