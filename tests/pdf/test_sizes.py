"""Pages of all sizes, rendered: legible, whole, and those of usual sizes exactly as before."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pikepdf
import pypdfium2 as pdfium
import pytest
from numpy.typing import NDArray
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from pagemill.domain.pages.model import Rendering
from pagemill.errors import PageUnreadable
from pagemill.pdf import png
from pagemill.pdf.page import RenderOptions
from tests.in_process import rendered
from tests.pdfs import write_pdf

MM = 72 / 25.4
FAULTY = Path(__file__).parents[1] / "faulty_inputs"
SAMPLES = sorted((Path(__file__).parents[1] / "samples").glob("*.pdf"))
CANARIES = sorted((Path(__file__).parents[2] / "src" / "pagemill" / "canary").glob("*.pdf"))


def _render(path: Path, number: int = 1, **options: int) -> Rendering:
    return rendered(path, number, RenderOptions(**options))  # type: ignore[arg-type]


def _grey(image: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(image)).convert("L"))


def _dark(image: bytes) -> int:
    return int((_grey(image) < 128).sum())


@pytest.mark.parametrize("path", SAMPLES + CANARIES, ids=lambda path: path.name)
def test_a_page_of_usual_size_is_one_picture_with_the_same_pixels_as_ever(path: Path) -> None:
    document = pdfium.PdfDocument(path)
    document.init_forms()
    for number in range(1, len(document) + 1):
        rendering = _render(path, number, skip_blank=False)
        page = document[number - 1]
        longest = max(page.get_size())
        bitmap = page.render(scale=1540 / longest * (1 - 1e-12), prefer_bgrx=True)
        rows = np.frombuffer(bitmap.buffer, np.uint32).reshape(bitmap.height, bitmap.stride // 4)

        assert rendering.png == png.encode(rows[:, : bitmap.width])
        assert not rendering.pieces
        assert not rendering.objections
        assert rendering.dpi == pytest.approx(1540 / longest * 72, abs=0.05)


def test_a_receipt_of_two_metres_becomes_strips_that_hold_every_line_once() -> None:
    rendering = _render(FAULTY / "d1-receipt-80mm-x-2m.pdf")

    assert rendering.png is None
    assert len(rendering.pieces) == 6
    assert all(max(_grey(piece.png).shape) <= 1540 for piece in rendering.pieces)
    assert not any(piece.overlap or piece.may_be_empty for piece in rendering.pieces)
    assert rendering.dpi == pytest.approx(112, abs=1)
    assert not rendering.objections
    assert sum(_lines(_grey(piece.png)) for piece in rendering.pieces) == 420


def _lines(grey: NDArray[np.uint8]) -> int:
    """Bands of rows with ink."""
    inked = (grey < 200).any(axis=1)
    return int(np.diff(inked.astype(np.int8), prepend=0).clip(0).sum())


def test_an_empty_page_that_needs_pieces_is_sent_as_one_if_every_page_is_wanted(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [lambda _: None], size=(2384, 3370))

    rendering = _render(path, skip_blank=False)

    assert [_grey(piece.png).min() for piece in rendering.pieces] == [255]


def test_a_drawing_of_a0_becomes_tiles_that_hold_all_ink_once() -> None:
    path = FAULTY / "d2-a0-drawing.pdf"
    rendering = _render(path)
    page = pdfium.PdfDocument(path)[0]
    assert rendering.dpi
    whole = page.render(scale=rendering.dpi / 72).to_numpy()[:, :, 0]

    assert 12 <= len(rendering.pieces) <= 32
    assert sum(_dark(piece.png) for piece in rendering.pieces) == pytest.approx(int((whole < 128).sum()), rel=0.01)
    assert rendering.dpi > 130
    assert not rendering.objections
    assert any(piece.may_be_empty for piece in rendering.pieces)  # nothing but lines
    assert not all(piece.may_be_empty for piece in rendering.pieces)
    areas = [_grey(piece.png).size for piece in rendering.pieces]
    assert sum(areas) < rendering.width_px * rendering.height_px  # overlaps and empty edges are not sent


def test_a_scan_on_a_tiny_page_keeps_its_pixels() -> None:
    tiny, usual = (_render(FAULTY / "d3-scan-on-a-tiny-page.pdf", number) for number in (1, 2))

    assert (tiny.width_px, tiny.height_px) == (usual.width_px, usual.height_px) == (1089, 1540)
    assert tiny.png == usual.png
    assert tiny.dpi == pytest.approx(790, abs=1)


@pytest.mark.parametrize("bands", [1, 12])
@pytest.mark.parametrize("in_a_form", [True, False])
def test_a_scan_in_bands_or_inside_a_form_keeps_its_pixels_too(
    tmp_path: Path,
    bands: int,
    in_a_form: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    def scan(canvas: Canvas) -> None:
        if in_a_form:
            canvas.beginForm("scan")
        for band in range(bands):
            image = ImageReader(Image.effect_noise((1000, 1440 // bands), 80))
            canvas.drawImage(image, 0, band * 144 / bands, 100, 144 / bands)
        if in_a_form:
            canvas.endForm()
            canvas.doForm("scan")

    rendering = _render(write_pdf(tmp_path / "a.pdf", [scan], size=(100, 144)))

    assert (rendering.width_px, rendering.height_px) == (1000, 1440)


@pytest.mark.parametrize("object_streams", [pikepdf.ObjectStreamMode.disable, pikepdf.ObjectStreamMode.generate])
def test_a_user_unit_is_honoured_wherever_the_file_keeps_it(
    tmp_path: Path, object_streams: pikepdf.ObjectStreamMode
) -> None:
    path = tmp_path / "a.pdf"
    with pikepdf.open(FAULTY / "d4-userunit-72-letter-in-inches.pdf") as pdf:
        pdf.save(path, object_stream_mode=object_streams, force_version="1.6")

    rendering = _render(path)

    assert (rendering.width_px, rendering.height_px) == (1190, 1540)
    assert rendering.dpi == pytest.approx(140, abs=0.5)


def test_a_page_in_inches_that_says_no_unit_is_as_legible(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    with pikepdf.open(FAULTY / "d4-userunit-72-letter-in-inches.pdf") as pdf:
        del pdf.pages[0].UserUnit
        pdf.save(path)

    assert _render(path).height_px > 900


@pytest.mark.parametrize("value", ["0", "-3", "/Inch", "(72)"])
def test_a_user_unit_that_makes_no_sense_is_one(tmp_path: Path, value: str) -> None:
    path = write_pdf(tmp_path / "a.pdf", ["text"])
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.pages[0].obj["/UserUnit"] = pikepdf.Object.parse(value.encode())
        pdf.save(path)

    assert _render(path).dpi == pytest.approx(1540 / 841.89 * 72, abs=0.1)


@pytest.mark.parametrize("number", range(1, 13))
def test_page_boxes_of_all_kinds_show_what_viewers_show(number: int) -> None:
    rendering = _render(FAULTY / "d5-boxes.pdf", number)

    assert rendering.png
    assert not rendering.pieces
    assert rendering.dpi
    assert rendering.dpi > 75
    assert _dark(rendering.png) > 1000


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 1e9, 842),
        (-1e6, -1e6, 1e6, 1e6),
        (0, 0, 842, 30_000),
        (-5000, -20_000, 9000, 842),
    ],
)
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_letter_drawn_on_a_huge_page_is_rendered_without_what_is_empty(
    tmp_path: Path, box: tuple[float, ...], rotation: int
) -> None:
    def letter(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 11)
        for line in range(40):
            canvas.drawString(60, 780 - 15 * line, f"{line}: a letter that somebody has drawn on a page of kilometres")

    path = write_pdf(tmp_path / "a.pdf", [letter])
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.pages[0].MediaBox = list(box)
        pdf.pages[0].Rotate = rotation
        pdf.save(path)

    rendering = _render(path)

    assert rendering.png
    assert rendering.dpi
    assert rendering.dpi > 75
    grey = _grey(rendering.png)
    assert _lines(grey if rotation in {0, 180} else grey.T) == 40


def _scanned(canvas: Canvas, size: tuple[float, float], dpi: float) -> None:
    image = Image.new("L", (round(size[0] * dpi / 72), round(size[1] * dpi / 72)), 250)
    canvas.drawImage(ImageReader(image), 0, 0, *size)
    canvas.setFont("Helvetica", 9)


@pytest.mark.parametrize(
    ("size", "dpi", "pieces"),
    [
        ((80 * MM, 2000 * MM), 200, range(5, 10)),  # a scanned receipt
        ((1189 * MM, 841 * MM), 150, range(12, 33)),  # a scanned drawing
        ((3024, 4032), 72, range(1)),  # a photo of a page
        ((595, 842), 400, range(1)),  # an office scan
    ],
)
def test_a_scan_is_cut_where_its_paper_is_large_not_where_it_has_many_pixels(
    tmp_path: Path, size: tuple[float, float], dpi: float, pieces: range
) -> None:
    def scan(canvas: Canvas) -> None:
        grey = np.full((round(size[1] * dpi / 72), round(size[0] * dpi / 72)), 250, np.uint8)
        grey[::40, ::3] = 0
        canvas.drawImage(ImageReader(Image.fromarray(grey)), 0, 0, *size)

    rendering = _render(write_pdf(tmp_path / "a.pdf", [scan], size=size))

    assert (len(rendering.pieces) in pieces) if pieces.stop > 1 else rendering.png


def test_a_noisy_strip_without_white_between_its_lines_keeps_the_overlap_in_both_pieces(tmp_path: Path) -> None:
    def photo(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.effect_noise((600, 9000), 150)), 0, 0, 216, 3240)

    rendering = _render(write_pdf(tmp_path / "a.pdf", [photo], size=(216, 3240)))

    assert [piece.overlap > 0 for piece in rendering.pieces] == [False, *[True] * (len(rendering.pieces) - 1)]
    assert all(piece.may_be_empty for piece in rendering.pieces)


def test_tiles_that_have_to_be_cut_through_ink_say_so(tmp_path: Path) -> None:
    def map_of_a_city(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.effect_noise((3600, 2543), 150)), 0, 0, 2384, 1684)

    rendering = _render(write_pdf(tmp_path / "a.pdf", [map_of_a_city], size=(2384, 1684)))

    (objection,) = rendering.objections
    assert objection == f"cut into {len(rendering.pieces)} pieces: words at 5 of their borders may be damaged"
    assert len(rendering.pieces) == 6  # three in each of two rows, whose border is one


def _lettering(size: float, lines: int) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", size)
        for line in range(lines):
            canvas.drawString(30, 30 + 2 * size * line, f"{line}: lettering of one size all over the page, as it is")

    return draw


def test_sixteen_pages_on_one_sheet_are_cut_into_pieces(tmp_path: Path) -> None:
    def sheet(canvas: Canvas) -> None:
        canvas.beginForm("page")
        _lettering(11, 35)(canvas)
        canvas.endForm()
        for place in range(16):
            canvas.saveState()
            canvas.translate(place % 4 * 148, place // 4 * 210)
            canvas.scale(0.25, 0.25)
            canvas.doForm("page")
            canvas.restoreState()

    rendering = _render(write_pdf(tmp_path / "a.pdf", [sheet]))

    assert len(rendering.pieces) > 1
    assert rendering.dpi
    assert rendering.dpi > 260


def test_the_sizes_of_invisible_text_are_no_sizes_of_lettering(tmp_path: Path) -> None:
    def scan_with_earlier_ocr(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.effect_noise((1000, 1414), 80)), 0, 0, 595, 842)
        text = canvas.beginText(30, 800)
        text.setTextRenderMode(3)
        text.setFont("Helvetica", 1)
        for line in range(40):
            text.textLine(f"{line}: text that an earlier OCR has left, all of it in letters of one point")
        canvas.drawText(text)

    assert _render(write_pdf(tmp_path / "a.pdf", [scan_with_earlier_ocr])).height_px == 1540


def test_a_slide_in_large_letters_is_one_picture(tmp_path: Path) -> None:
    rendering = _render(write_pdf(tmp_path / "a.pdf", [_lettering(28, 10)], size=(1920, 1080)))

    assert (rendering.width_px, rendering.height_px) == (1540, 867)


def test_a_page_that_needs_more_pieces_than_allowed_says_so(tmp_path: Path) -> None:
    def drawing(canvas: Canvas) -> None:
        _lettering(7, 160)(canvas)
        canvas.rect(20, 20, 3330, 2344)

    path = write_pdf(tmp_path / "a.pdf", [drawing], size=(3370, 2384))

    with pytest.raises(PageUnreadable, match=r"too small to read: .* 2 pieces have about \d+ dpi; set PAGEMILL_MAX_P"):
        _render(path, max_pieces=2)


def test_the_text_layer_of_a_large_page_is_taken_where_it_is_preferred(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [_lettering(2, 300)], size=(14_400, 14_400))

    assert "lettering of one size" in (_render(path, prefer_text=True).text or "")


def test_a_form_on_a_large_page_is_drawn_in_the_piece_that_it_belongs_to(tmp_path: Path) -> None:
    def form(canvas: Canvas) -> None:
        _lettering(9, 300)(canvas)
        canvas.acroForm.textfield(value="filled in", x=20, y=5400, width=150, height=30, borderWidth=0, fontSize=9)

    path = write_pdf(tmp_path / "a.pdf", [form], size=(80 * MM, 2000 * MM))
    filled = _render(path)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        del pdf.pages[0].Annots
        pdf.save(path)
    empty = _render(path)

    assert _dark(filled.pieces[0].png) > 0
    assert len(filled.pieces) >= len(empty.pieces)
