"""What is known of a rendering beside its pixels: that the page is blank, or damaged, or lacks text."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
import pikepdf
import pypdfium2 as pdfium
from numpy.typing import NDArray

from pagemill.errors import PageUnreadable
from pagemill.pdf import blank_proof, fonts, geometry
from pagemill.pdf.blank import PagePixels, images
from pagemill.pdf.damage import Damage, damage_of, odd
from pagemill.pdf.image_data import has_alpha
from pagemill.pdf.objects import inherited, visible_box
from pagemill.pdf.painting import Painter, TooManyInstructions
from pagemill.pdf.pdf_file import PdfFile
from pagemill.pdf.second_reader import ODD_OBJECTS, SecondReader, SecondReaders
from pagemill.pdf.tokens import ContentsDamaged

_LARGE_SHARE = 0.1  # of the page: an object that covers more is what the page is about
_SAMPLED = 4  # every fourth pixel both ways
_EMPTY_SHARE = 0.005  # of an image's pixels: with fewer in another colour, it may not have been drawn
_DARK = 32  # of 255
_CURE = "print the document to a new PDF with another viewer"


class Inspector:
    """Looks at pages with a second reader's eyes, while PDFium renders them.

    The second reader is used by one thread at a time: by that of `started`, and when it is done by the others.
    """

    def __init__(self) -> None:
        self._readers = SecondReaders()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="damage")
        self._damage: Future[Damage | None] = Future()

    @contextlib.contextmanager
    def started(self, file: PdfFile, number: int) -> Iterator[None]:
        """Look for damage on a page in another thread: PDFium and libjpeg leave the interpreter to each other."""
        self._damage = self._thread.submit(self._damage_of, file, number)
        try:
            yield
        finally:
            wait([self._damage])

    def user_unit(self, file: PdfFile, number: int) -> float:
        """The UserUnit of a page (PDF 1.6), 1-based, in 1/72 inch; 1 where the file says none that makes sense.

        PDFium ignores it, and has no function that tells it.
        """
        reader = self._readers.of(file)
        try:
            page = reader.page(number) if reader else None
            unit = float(page.get("/UserUnit", 1)) if page is not None else 1.0
        except ODD_OBJECTS:
            return 1.0
        return unit if math.isfinite(unit) and unit > 0 else 1.0

    def assert_blank(self, file: PdfFile, page: pdfium.PdfPage, number: int, pixels: PagePixels) -> None:
        """Check that a page that came out in one colour is blank, within `started`; see `blank_proof`.

        Raises:
            PageUnreadable: It is not, or nothing proves it.
        """
        wait([self._damage])
        blank_proof.assert_blank(self._readers.of(file), page, number, pixels)

    def findings(self, file: PdfFile, page: pdfium.PdfPage, number: int, pixels: PagePixels | None) -> tuple[str, ...]:
        """Say what is damaged on a page that is not blank, within `started`.

        Args:
            file: The document.
            page: The page, 1-based `number`, as PDFium has it.
            number: See `page`.
            pixels: The page as it was rendered; None if only its text is wanted.

        Raises:
            PageUnreadable: A large part of it is lost.
        """
        damage = self._damage.result()
        reader = self._readers.of(file)
        second = reader.page(number) if reader else None
        if pixels is not None and (damage is None or damage.has_images):
            _check_images(page, pixels)
        if reader is None or second is None or damage is None:
            damage = Damage()
            damage.add("the file is damaged: a second reader cannot open this page, so losses would not be noticed")
            for repair in reader.file_repairs if reader else ():
                damage.add(f"the file is damaged: {repair}")
            return damage.said()
        try:
            if damage.lost:
                _check_losses(reader, second, damage)
            if damage.risky_fonts and pixels is not None:
                spaces = blank_proof.single_spaces(reader, second)
                for finding in fonts.check_text(page, pixels, damage.risky_fonts, spaces):
                    damage.add(finding)
        except ODD_OBJECTS as error:
            damage.add(odd(error))
        return damage.said()

    def _damage_of(self, file: PdfFile, number: int) -> Damage | None:
        reader = self._readers.of(file)
        page = reader.page(number) if reader else None
        return damage_of(reader, page) if reader and page is not None else None


def _check_losses(reader: SecondReader, page: pikepdf.Dictionary, damage: Damage) -> None:
    """Refuse the page if what is lost covers much of it."""
    box = visible_box(page)
    painter = Painter(box, reader.layers, tolerant=True)
    try:
        for paint in painter.paint(blank_proof.contents_of(page), (inherited(page, "/Resources"),)):
            number = paint.image.objgen if isinstance(paint.image, pikepdf.Stream) else None
            lost = damage.lost.get(number or "/" + paint.what.partition(" ")[2])
            if lost and not paint.hidden:
                share = geometry.area(paint.box) / geometry.area(box)
                if share > _LARGE_SHARE:
                    raise PageUnreadable(f"{lost}; it covers {share:.0%} of the page; {_CURE}")
    except (ContentsDamaged, TooManyInstructions):
        return  # the findings say so


def _check_images(page: pdfium.PdfPage, pixels: PagePixels) -> None:
    """Refuse the page if a large image left nothing on it, and PDFium cannot decode it."""
    page_size = pixels.width_px * pixels.height_px
    for image in images(page):
        region = pixels.region(page, image.get_bounds(), step=_SAMPLED)
        if region.size < _LARGE_SHARE * page_size / _SAMPLED**2 or not _is_nearly_empty(region):
            continue
        covered = f"it covers {region.size * _SAMPLED**2 / page_size:.0%} of the page; {_CURE}"
        try:
            image.get_bitmap()
        except pdfium.PdfiumError as error:
            raise PageUnreadable(
                f"an image ({_filters(image)}) is damaged: PDFium cannot decode it; {covered}"
            ) from error
        if _is_dark(region) and image.get_filters() == ["JPXDecode"] and has_alpha(bytes(image.get_data())):
            raise PageUnreadable(
                "an image (JPXDecode) came out black: its picture is in its alpha channel, which PDFium does not draw; "
                f"{covered}"
            )


def _is_nearly_empty(region: NDArray[np.uint32]) -> bool:
    return bool((region != region[region.shape[0] // 2, region.shape[1] // 2]).mean() < _EMPTY_SHARE)


def _is_dark(region: NDArray[np.uint32]) -> bool:
    return (int(region[region.shape[0] // 2, region.shape[1] // 2]) >> 8 & 0xFF) < _DARK


def _filters(image: pdfium.PdfImage) -> str:
    return ", ".join(image.get_filters()) or "not compressed"
