from __future__ import annotations

import asyncio
import contextlib
import io
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pikepdf
import psutil
import pytest
from PIL import Image
from reportlab.lib import colors
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from pagemill.domain.pages.model import Rendering
from pagemill.errors import DocumentUnreadable, NoRoomLeft, PageUnreadable, RenderingLost
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests import hostile_pdfs
from tests.pdfs import numbered_pdf, write_pdf

pytestmark = pytest.mark.usefixtures("importable_tests")


@asynccontextmanager
async def rasterizer(
    *, faulty: bool = False, page_seconds: float = 30.0, options: RenderOptions | None = None
) -> AsyncIterator[PdfiumRasterizer]:
    module = "tests.fakes.faulty_render_worker" if faulty else "pagemill.pdf.worker"
    async with PdfiumRasterizer(
        workers=1,
        page_seconds=page_seconds,
        memory_bytes=2 * 2**30,
        options=options or RenderOptions(),
        worker_module=module,
    ) as opened:
        yield opened


_SHARED: dict[RenderOptions, PdfiumRasterizer] = {}  # for tests of what is drawn, not of who draws it


@pytest.fixture(scope="module", autouse=True)
def close_shared() -> Iterator[None]:
    yield
    while _SHARED:
        _, shared = _SHARED.popitem()
        asyncio.run(shared.__aexit__(None, None, None))


async def _render(path: Path, number: int = 1, options: RenderOptions | None = None) -> Rendering:
    options = options or RenderOptions()
    if options not in _SHARED:
        _SHARED[options] = PdfiumRasterizer(workers=1, page_seconds=30.0, memory_bytes=2 * 2**30, options=options)
    return await _SHARED[options].render(path, number)


def _pixels(rendering: Rendering) -> Image.Image:
    assert rendering.png
    return Image.open(io.BytesIO(rendering.png))


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        ((595, 842), (1089, 1540)),
        ((842, 595), (1540, 1089)),
        ((612, 792), (1190, 1540)),
        ((14400, 14400), (1540, 1540)),
        ((100, 50), (417, 209)),  # never above 300 dpi
    ],
)
async def test_the_longest_side_is_1540_pixels_but_never_above_300_dpi(
    tmp_path: Path, size: tuple[float, float], pixels: tuple[int, int]
) -> None:
    def legible(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", max(size[0] / 40, 5))
        canvas.drawString(1, 10, "letters that are as large as the page asks for, and not a word more than fits")

    rendering = await _render(write_pdf(tmp_path / "a.pdf", [legible], size=size))

    assert (rendering.width_px, rendering.height_px) == _pixels(rendering).size == pixels


async def test_black_text_becomes_one_channel_and_colour_stays_colour(tmp_path: Path) -> None:
    def coloured(canvas: Canvas) -> None:
        canvas.setFillColor(colors.red)
        canvas.rect(100, 100, 200, 200, fill=1, stroke=0)

    path = write_pdf(tmp_path / "a.pdf", ["black", coloured])

    assert _pixels(await _render(path, 1)).mode == "L"
    image = _pixels(await _render(path, 2))
    assert image.mode == "RGB"
    assert image.getpixel((image.width // 3, image.height * 3 // 4)) == (255, 0, 0)


async def test_rotation_and_crop_boxes_are_honoured(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [lambda canvas: canvas.rect(0, 0, 100, 100, fill=1, stroke=0)])
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.pages[0].CropBox = [0, 0, 200, 400]
        pdf.pages[0].Rotate = 90
        pdf.save(path)

    grey = np.asarray(_pixels(await _render(path)))

    # The black square in the lower left corner turns to the upper left one.
    assert grey.shape == (770, 1540)
    assert grey[20, 20] == 0
    assert grey[-20, -20] == 255


async def test_form_fields_are_rendered_with_their_values(tmp_path: Path) -> None:
    def form(canvas: Canvas) -> None:
        canvas.acroForm.textfield(value="filled in", x=100, y=400, width=300, height=40, borderWidth=0)

    path = write_pdf(tmp_path / "a.pdf", [form])

    assert np.asarray(_pixels(await _render(path)).convert("L")).min() < 100


async def test_a_page_without_anything_on_it_is_blank(tmp_path: Path) -> None:
    rendering = await _render(write_pdf(tmp_path / "a.pdf", [lambda _: None]))

    assert rendering.blank
    assert rendering.png is None


def _white_image(canvas: Canvas) -> None:
    canvas.drawImage(ImageReader(Image.new("1", (800, 1100), 1)), 0, 0, 595, 842)


def _white_rectangle(canvas: Canvas) -> None:
    canvas.setFillColor(colors.white)
    canvas.rect(0, 0, 595, 842, fill=1, stroke=0)


def _invisible_text(canvas: Canvas) -> None:
    text = canvas.beginText(72, 400)
    text.setTextRenderMode(3)
    text.textOut("noise of an earlier OCR")
    canvas.drawText(text)


def _blue_page(canvas: Canvas) -> None:
    canvas.setFillColor(colors.blue)
    canvas.rect(-1, -1, 600, 850, fill=1, stroke=0)


@pytest.mark.parametrize(
    "draw",
    [_white_image, _white_rectangle, _invisible_text, _blue_page, lambda canvas: canvas.drawString(72, 400, "   ")],
    ids=["the back of a scanned sheet", "a white rectangle", "invisible text", "one colour", "spaces"],
)
async def test_a_page_whose_objects_leave_no_mark_is_blank(tmp_path: Path, draw: Callable[[Canvas], None]) -> None:
    assert (await _render(write_pdf(tmp_path / "a.pdf", [draw]))).blank


async def test_a_blank_page_is_rendered_when_every_page_is_wanted(tmp_path: Path) -> None:
    rendering = await _render(write_pdf(tmp_path / "a.pdf", [lambda _: None]), options=RenderOptions(skip_blank=False))

    assert not rendering.blank
    assert rendering.png


async def test_a_white_page_whose_image_does_not_decode_is_a_failure_not_a_blank_page(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [_white_image])
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        (image,) = pdf.pages[0].Resources.XObject.values()
        image.write(b"damaged", filter=pikepdf.Name.JBIG2Decode)
        pdf.save(path)

    with pytest.raises(PageUnreadable, match=r"came out empty although it is damaged: image .* \(JBIG2Decode\)"):
        await _render(path)


def _fax(path: Path, data: bytes, height: int) -> Path:
    """A page that shows one Group 4 image of 1600 x `height` pixels."""
    write_pdf(path, [_white_image])
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        (image,) = pdf.pages[0].Resources.XObject.values()
        parameters = pikepdf.Dictionary(K=-1, Columns=1600, Rows=height)
        image.write(data, filter=pikepdf.Name.CCITTFaxDecode, decode_parms=parameters)
        image.Width, image.Height, image.BitsPerComponent, image.ColorSpace = 1600, height, 1, pikepdf.Name.DeviceGray
        pdf.save(path)
    return path


@pytest.mark.parametrize("height", [1200, 1203])
async def test_an_empty_fax_page_is_blank(tmp_path: Path, height: int) -> None:
    tiff = io.BytesIO()
    white = Image.new("1", (1600, height), 1)
    white.save(tiff, "TIFF", compression="group4", tiffinfo={278: height})
    with Image.open(tiff) as image:
        offset, size = image.tag_v2[273][0], image.tag_v2[279][0]  # type: ignore[attr-defined]

    assert (await _render(_fax(tmp_path / "a.pdf", tiff.getvalue()[offset : offset + size], height))).blank


async def test_a_truncated_fax_page_is_not_taken_for_blank(tmp_path: Path) -> None:
    with pytest.raises(PageUnreadable, match="its fax data has no end"):
        await _render(_fax(tmp_path / "a.pdf", b"\xff" * 20, 1200))


async def test_an_image_too_large_to_decode_is_refused_before_rendering(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [lambda c: c.drawImage(ImageReader(Image.new("RGB", (9, 9))), 0, 0, 99, 99)])
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        (image,) = pdf.pages[0].Resources.XObject.values()
        image.Width = image.Height = 40000
        pdf.save(path)

    with pytest.raises(PageUnreadable, match=r"40000 x 40000 pixels .* downsample"):
        await _render(path)


async def test_a_page_too_narrow_to_read_says_its_size(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / "a.pdf", [lambda canvas: canvas.rect(0, 0, 99, 5, fill=1)], size=(14400, 3))

    with pytest.raises(PageUnreadable, match="14400 x 3 points"):
        await _render(path)


async def test_usable_text_is_returned_where_it_is_preferred_and_scans_are_rendered(tmp_path: Path) -> None:
    def scan(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(Image.effect_noise((200, 300), 80)), 0, 0, 595, 842)
        canvas.drawString(72, 400, "the text of an earlier OCR, which is not trusted")

    path = write_pdf(tmp_path / "a.pdf", ["The text layer of this page is good enough", "12", scan])
    options = RenderOptions(prefer_text=True)

    renderings = [await _render(path, number, options) for number in (1, 2, 3)]

    assert renderings[0].text == "The text layer of this page is good enough"
    assert [rendering.png is None for rendering in renderings] == [True, False, False]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "empty"), (b"\x89PNG\r\n\x1a\n", "not a PDF"), (b"%PDF-1.7\n1 0 obj\n<<", "damaged")],
)
async def test_a_file_that_is_not_a_readable_pdf_says_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)

    async with rasterizer() as pages:
        with pytest.raises(DocumentUnreadable, match=says):
            await pages.page_count(path)


@contextlib.contextmanager
def _files_of_at_most(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_without_room_for_a_repaired_copy_the_run_ends_and_the_document_is_not_blamed() -> None:
    damaged = Path(__file__).parents[1] / "faulty_inputs" / "b2-count-too-large.pdf"

    async with rasterizer() as pages:
        with _files_of_at_most(16), pytest.raises(NoRoomLeft, match=r"the temporary folder .* has no room left"):
            await pages.page_count(damaged)


async def test_a_document_that_needs_no_copy_is_read_without_room_for_one(tmp_path: Path) -> None:
    path = numbered_pdf(tmp_path / "a.pdf", 2)

    async with rasterizer() as pages:
        with _files_of_at_most(16):
            assert await pages.page_count(path) == 2


async def test_a_password_protected_pdf_says_how_to_remove_the_password(tmp_path: Path) -> None:
    path = numbered_pdf(tmp_path / "a.pdf", 1)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(owner="o", user="u"))

    async with rasterizer() as pages:
        with pytest.raises(DocumentUnreadable, match=r"password-protected; .* qpdf --decrypt"):
            await pages.page_count(path)


@pytest.mark.parametrize(("kind", "says"), [("segfault", "SIGSEGV"), ("killed", "SIGKILL")])
async def test_a_page_that_kills_its_worker_is_tried_once_more_in_a_fresh_worker(
    tmp_path: Path, kind: str, says: str
) -> None:
    path = numbered_pdf(tmp_path / f"{kind}-2.pdf", 3)

    async with rasterizer(faulty=True) as pages:
        with pytest.raises(RenderingLost, match=f"{says}; in a fresh worker: .*{says}"):
            await pages.render(path, 2)
        neighbours = [await pages.render(path, 1), await pages.render(path, 3)]

    assert all(neighbour.png for neighbour in neighbours)


async def test_a_page_that_hangs_is_stopped_at_the_time_limit(tmp_path: Path) -> None:
    path = numbered_pdf(tmp_path / "hang-1.pdf", 2)

    async with rasterizer(faulty=True, page_seconds=2.0) as pages:
        with pytest.raises(RenderingLost, match="longer than 2 s"):
            await pages.render(path, 1)

        assert (await pages.render(path, 2)).png


@pytest.mark.parametrize(
    ("kind", "says"), [("bug", "ValueError: an unexpected error"), ("rejected", "an error of other workers")]
)
async def test_an_unexpected_error_fails_its_page_alone(tmp_path: Path, kind: str, says: str) -> None:
    path = numbered_pdf(tmp_path / f"{kind}-1.pdf", 2)

    async with rasterizer(faulty=True) as pages:
        with pytest.raises(PageUnreadable, match=says) as error:
            await pages.render(path, 1)
        assert not isinstance(error.value, RenderingLost)

        assert (await pages.render(path, 2)).png


async def test_a_page_whose_worker_dies_once_is_rendered_by_the_next(tmp_path: Path) -> None:
    path = numbered_pdf(tmp_path / "once-1.pdf", 1)

    async with rasterizer(faulty=True) as pages:
        assert (await pages.render(path, 1)).png


async def test_a_page_is_rendered_after_its_worker_was_killed_from_outside(tmp_path: Path) -> None:
    path = numbered_pdf(tmp_path / "a.pdf", 2)

    before = _children()
    async with rasterizer() as pages:
        await pages.render(path, 1)
        (worker,) = _children() - before
        os.kill(worker.pid, signal.SIGKILL)

        assert (await pages.render(path, 2)).png


async def test_closing_in_the_middle_of_a_page_leaves_no_process_behind(tmp_path: Path) -> None:
    path, before = numbered_pdf(tmp_path / "hang-1.pdf", 1), _children()

    async with rasterizer(faulty=True, page_seconds=600.0) as pages:
        await pages.page_count(path)
        assert len(_children() - before) == 1
        rendering = asyncio.create_task(pages.render(path, 1))
        await asyncio.sleep(0)
    with pytest.raises((PageUnreadable, asyncio.CancelledError)):
        await rendering

    assert _children() <= before


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children())


async def test_a_pdf_without_pages_is_not_taken_for_the_one_that_failed_before_it(tmp_path: Path) -> None:
    hostile_pdfs.encrypted(tmp_path / "encrypted.pdf")
    hostile_pdfs.zero_pages(tmp_path / "zero.pdf")

    async with rasterizer() as pages:
        with pytest.raises(DocumentUnreadable, match="password-protected"):
            await pages.page_count(tmp_path / "encrypted.pdf")
        with pytest.raises(DocumentUnreadable, match="the PDF has no pages"):
            await pages.page_count(tmp_path / "zero.pdf")
