"""PDFs to measure on: dense born-digital pages and scans, the same at every call.

A born-digital page holds about 450 words in two fonts, a ruled table and a coloured heading on every third page; a scan
is such a page as a 200 dpi grey JPEG with noise, as office scanners make them.
"""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from PIL import Image
from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

_WORDS = (
    "of and to in is for that with as was on by be at this from which or are it an were not have had but contract "
    "party agreement invoice delivery payment archive record number section article hereby notice period thirty "
    "days written amount total balance account transfer property schedule annex signature witness county register "
    "volume "
).split()


@contextlib.contextmanager
def _plain_streams() -> Iterator[None]:
    """Write streams as bytes: only reportlab wraps them in ASCII85, and then every reader pays for it."""
    usual, rl_config.useA85 = rl_config.useA85, 0
    try:
        yield
    finally:
        rl_config.useA85 = usual


@_plain_streams()
def born_digital(path: Path, *, pages: int, seed: int = 1) -> Path:
    """Write a text document of exactly `pages` pages."""
    rng = random.Random(seed)  # noqa: S311 -- filler text, no secrets
    story: list[Flowable] = []
    for number in range(1, pages + 1):
        story += _page(rng, number)
    SimpleDocTemplate(str(path), pagesize=A4, invariant=1, topMargin=50, bottomMargin=40).build(story)
    return path


def stamps(path: Path, *, pages: int, seed: int = 1) -> Path:
    """Write a document of stamp-sized pages, all different, that take almost no time to render."""
    canvas = Canvas(str(path), pagesize=(24, 24), invariant=1)
    for number in range(1, pages + 1):
        for bit in range(20):
            if (seed * 2**14 + number) >> bit & 1:
                canvas.rect(2 + 4 * (bit % 5), 2 + 4 * (bit // 5), 3, 3, fill=1)
        canvas.showPage()
    canvas.save()
    return path


@_plain_streams()
def scan(path: Path, *, pages: int, seed: int = 1) -> Path:
    """Write a document each of whose pages is one grey 200 dpi JPEG."""
    source = pdfium.PdfDocument(born_digital(path.with_suffix(".source.pdf"), pages=pages, seed=seed))
    noise = np.random.default_rng(seed)
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    for page in source:
        grey = page.render(scale=200 / 72, grayscale=True).to_numpy().reshape(-1, int(np.ceil(page.get_width() / 0.36)))
        speckled = np.clip(grey * 0.9 + noise.normal(8, 9, grey.shape), 0, 255).astype(np.uint8)
        jpeg = io.BytesIO()
        Image.fromarray(speckled).save(jpeg, "JPEG", quality=75)
        canvas.drawImage(ImageReader(jpeg), 0, 0, *A4)
        canvas.showPage()
    canvas.save()
    source.close()
    path.with_suffix(".source.pdf").unlink()
    return path


def _page(rng: random.Random, number: int) -> list[Flowable]:
    styles = getSampleStyleSheet()
    heading = f"Section {number}: {' '.join(rng.choices(_WORDS, k=4))}"
    if number % 3 == 0:
        heading = f'<font color="#1a4f8a">{heading}</font>'
    rows = [[rng.choice(_WORDS), str(rng.randint(1, 99)), f"{rng.uniform(1, 999):.2f}"] for _ in range(6)]
    grid = ("GRID", (0, 0), (-1, -1), 0.5, colors.black)
    paragraphs = [
        Paragraph(" ".join(rng.choices(_WORDS, k=75)).capitalize() + ".", styles["BodyText"]) for _ in range(6)
    ]
    return [
        Paragraph(heading, styles["Heading2"]),
        *paragraphs[:3],
        Spacer(1, 8),
        Table(rows, style=[grid]),
        Spacer(1, 8),
        *paragraphs[3:],
        PageBreak(),
    ]
