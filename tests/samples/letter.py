"""A letter from a flat-bed scanner: only an image, slightly skewed, unevenly lit and noisy."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pikepdf
import pypdfium2
from PIL import Image
from reportlab.lib.pagesizes import A4

from tests.samples.sheet import Align, Column, Sheet, TrueText, Type

DPI = 200
SKEW_DEGREES = 1.0
NOISE_GREY_LEVELS = 4.0
JPEG_QUALITY = 50
SEED = 1894

NAME = Type("Times-Bold", 16, 20, mark="# ")
BODY = Type("Times-Roman", 12, 16.5)
SIGNATURE = Type("Times-Italic", 15, 18)

ADDRESSEE = ("Dr Edmund Vellacott", "Curator of Clocks", "The Guildhall Museum", "Little Harding")
PARAGRAPHS = (
    "Dear Dr Vellacott,",
    (
        "Thank you for your letter of 2 May about the long-case clock that my grandfather left to the town. I have looked "
        "through his papers again and can now answer two of your three questions."
    ),
    (
        "The movement was made in 1762 by Josiah Penhallow, whose name is scratched on the back of the dial. The receipt "
        "shows that my family paid eleven pounds and four shillings for it, which was thought a great deal. The case is "
        "younger: a joiner built it in 1801, after the first one had been lost in a fire."
    ),
    (
        "I cannot tell you who repaired the striking train. There is a bill for 3 pounds 15 from the summer of 1888, but "
        "the lower half has been torn away, and with it the name. My aunt believed that the work was done in Fenwick Vale."
    ),
    (
        "You are welcome to see the papers whenever it suits you. I am at home on most afternoons, except on Wednesdays. "
        "If you come by train, please let me know, and I shall meet you at the station. Its clock, I am afraid, cannot be "
        "relied upon."
    ),
    "Yours sincerely,",
)


def write(path: Path) -> TrueText:
    """Draw the letter, scan it and embed the scan; return its true text."""
    drawing = io.BytesIO()
    truth = _draw(drawing)
    _embed(path, _scan(_render(drawing.getvalue())))
    return truth


def _draw(target: io.BytesIO) -> TrueText:
    width, height = A4
    sheet = Sheet(target, size_pt=A4, title="Letter")
    sheet.line("Harriet Penrose", width / 2, height - 80, type_=NAME, align=Align.CENTRE)
    sheet.line("Quince Cottage, Upper Mallow", width / 2, height - 98, type_=BODY, align=Align.CENTRE)
    y = sheet.lines(ADDRESSEE, 80, height - 150, type_=BODY)
    sheet.line("19 May 2031", width - 80, y - 12, type_=BODY, align=Align.RIGHT)
    top = y - 30
    for text in PARAGRAPHS:
        top = sheet.paragraph(text, Column(80, top, width - 160, 60), type_=BODY) - 9
    sheet.line("Harriet Penrose", 80, top - 30, type_=SIGNATURE)
    return sheet.finish()


def _render(pdf: bytes) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as document:
        image: Image.Image = document[0].render(scale=DPI / 72, grayscale=True).to_pil()
        return image.copy()  # the bitmap's memory is freed with the document


def _scan(page: Image.Image) -> npt.NDArray[np.uint8]:
    skewed = page.rotate(SKEW_DEGREES, resample=Image.Resampling.BICUBIC, fillcolor=255)
    ink = 1 - np.asarray(skewed, dtype=np.float64) / 255
    down, across = np.mgrid[0 : ink.shape[0], 0 : ink.shape[1]] / max(ink.shape)
    # Paper lit from the upper left, with the shadow of the lid along the right edge.
    paper = 238 - 34 * down * across - 26 * (across / across.max()) ** 12
    noise = np.random.default_rng(SEED).normal(0, NOISE_GREY_LEVELS, ink.shape)
    toner = 46
    scan: npt.NDArray[np.uint8] = np.clip(paper * (1 - ink) + toner * ink + noise, 0, 255).astype(np.uint8)
    return scan


def _embed(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=JPEG_QUALITY)
    height_px, width_px = pixels.shape
    pdf = pikepdf.new()
    pdf.add_blank_page(page_size=A4)
    page = pdf.pages[0]
    page.Resources = pikepdf.Dictionary(
        XObject=pikepdf.Dictionary(
            Scan=pdf.make_stream(
                jpeg.getvalue(),
                Type=pikepdf.Name.XObject,
                Subtype=pikepdf.Name.Image,
                Width=width_px,
                Height=height_px,
                ColorSpace=pikepdf.Name.DeviceGray,
                BitsPerComponent=8,
                Filter=pikepdf.Name.DCTDecode,
            )
        )
    )
    page.Contents = pdf.make_stream(b"q %.2f 0 0 %.2f 0 0 cm /Scan Do Q" % A4)
    pdf.save(path, deterministic_id=True)
