"""Scans of pages with little on them: blank ones with all that scanners add, and ones with a single small content.

    python -m tests.sparse_pages FOLDER [SEED]

writes one PDF for each kind. Everything is drawn here and seeded; nothing is taken from real documents.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pikepdf
import reportlab
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

DPI = 150
WIDTH_PX, HEIGHT_PX = 1240, 1754  # A4
_FONTS = Path(reportlab.__file__).parent / "fonts"
_PRINT, _SLANTED, _HAND = (str(_FONTS / name) for name in ("Vera.ttf", "VeraIt.ttf", "callig15.pfb"))
_WORDS = (
    "the river was higher than in any year since the bridge had been built and the miller wrote to his brother that "
    "he would not wait for the end of the month but would move the grain on Tuesday with two carts and four horses"
).split()

Draw = Callable[["Sheet"], None]


@dataclass(frozen=True, slots=True)
class SparsePage:
    """One scanned page."""

    kind: str
    has_content: bool
    pixels: NDArray[np.uint8]

    def png(self) -> bytes:
        """As an image."""
        return _encoded(self.pixels, "PNG")


class Sheet:
    """Paper on a scanner: ink is laid on it, then it is scanned."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.ink = Image.new("L", (WIDTH_PX, HEIGHT_PX), 0)  # 255: black
        self.pen = ImageDraw.Draw(self.ink)

    def somewhere(self, margin_px: int = 150) -> tuple[float, float]:
        """A place on the paper."""
        return (
            float(self.random.uniform(margin_px, WIDTH_PX - 3 * margin_px)),
            float(self.random.uniform(margin_px, HEIGHT_PX - 2 * margin_px)),
        )

    def words(self, count: int) -> str:
        """Some words of a sentence."""
        start = int(self.random.integers(0, len(_WORDS) - count))
        return " ".join(_WORDS[start : start + count])

    def write(
        self, text: str, place: tuple[float, float], *, size_pt: float = 11, font: str = _PRINT, ink: float = 0.85
    ) -> None:
        """Print a line of text."""
        face = ImageFont.truetype(font, round(size_pt * DPI / 72))
        self.pen.text(place, text, fill=round(255 * ink), font=face)

    def stroke(self, points: list[tuple[float, float]], *, width_px: int = 3, ink: float = 0.8) -> None:
        """Draw a line with a pen."""
        self.pen.line(points, fill=round(255 * ink), width=width_px, joint="curve")

    def lay(self, other: Image.Image) -> None:
        """Put more ink on the paper."""
        self.ink = Image.fromarray(np.maximum(np.asarray(self.ink), np.asarray(other)))
        self.pen = ImageDraw.Draw(self.ink)

    def scanned(self) -> NDArray[np.uint8]:
        """What the scanner makes of it: paper that is not white, a lamp that is not even, noise, and a small skew."""
        random = self.random
        skewed = self.ink.rotate(float(random.uniform(-0.8, 0.8)), resample=Image.Resampling.BICUBIC, fillcolor=0)
        ink = np.asarray(skewed, np.float64) / 255
        down, across = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX] / HEIGHT_PX
        paper = random.uniform(228, 252) - random.uniform(0, 18) * down - random.uniform(0, 12) * across
        noise = random.uniform(0.8, 4.0) * random.standard_normal(ink.shape, np.float32)
        scan: NDArray[np.uint8] = np.clip(paper * (1 - ink) + 25 * ink + noise, 0, 255).astype(np.uint8)
        return scan


def _paper(_: Sheet) -> None:
    """Nothing: the lamp and the noise do the rest."""


def _dust(sheet: Sheet) -> None:
    for _ in range(int(sheet.random.integers(15, 60))):
        (x, y), size = sheet.somewhere(5), float(sheet.random.uniform(0.8, 4))
        sheet.pen.ellipse((x, y, x + size, y + size), fill=int(sheet.random.integers(60, 220)))
    for _ in range(int(sheet.random.integers(0, 3))):  # hairs
        x, y = sheet.somewhere()
        bend, length = sheet.random.uniform(-30, 30), sheet.random.uniform(30, 90)
        points = [(x + length * t, y + bend * math.sin(3 * t)) for t in np.linspace(0, 1, 20)]
        sheet.stroke(points, width_px=1, ink=0.4)


def _show_through(sheet: Sheet) -> None:
    back = Sheet(sheet.random)
    for top in range(180, HEIGHT_PX - 200, 36):
        back.write(back.words(int(sheet.random.integers(6, 11))), (150, top), size_pt=12, ink=1)
    mirrored = back.ink.transpose(Image.Transpose.FLIP_LEFT_RIGHT).filter(ImageFilter.GaussianBlur(2.2))
    strength = float(sheet.random.uniform(0.04, 0.12))
    sheet.lay(mirrored.point(lambda value: round(value * strength)))


def _borders(sheet: Sheet) -> None:
    for side in range(4):
        if sheet.random.random() < 0.6:
            depth = int(sheet.random.integers(8, 45))
            tilt = int(sheet.random.integers(-6, 7))
            corners = {
                0: [(0, 0), (WIDTH_PX, 0), (WIDTH_PX, depth + tilt), (0, depth)],
                1: [
                    (0, HEIGHT_PX),
                    (WIDTH_PX, HEIGHT_PX),
                    (WIDTH_PX, HEIGHT_PX - depth - tilt),
                    (0, HEIGHT_PX - depth),
                ],
                2: [(0, 0), (depth, 0), (depth + tilt, HEIGHT_PX), (0, HEIGHT_PX)],
                3: [(WIDTH_PX, 0), (WIDTH_PX - depth, 0), (WIDTH_PX - depth - tilt, HEIGHT_PX), (WIDTH_PX, HEIGHT_PX)],
            }[side]
            sheet.pen.polygon(corners, fill=int(sheet.random.integers(150, 250)))


def _hole_punches(sheet: Sheet) -> None:
    across, size = float(sheet.random.uniform(45, 90)), float(sheet.random.uniform(28, 36))
    for place in (0.38, 0.62) if sheet.random.random() < 0.5 else (0.12, 0.38, 0.62, 0.88):
        y = place * HEIGHT_PX
        sheet.pen.ellipse((across, y, across + size, y + size), fill=int(sheet.random.integers(90, 240)))


def _fold(sheet: Sheet) -> None:
    y = HEIGHT_PX * float(sheet.random.uniform(0.3, 0.7))
    crease = Image.new("L", sheet.ink.size, 0)
    ImageDraw.Draw(crease).line([(0, y), (WIDTH_PX, y + 8)], fill=70, width=5)
    sheet.lay(crease.filter(ImageFilter.GaussianBlur(4)))


def _all_of_it(sheet: Sheet) -> None:
    for draw in (_show_through, _borders, _hole_punches, _dust):
        draw(sheet)


def _page_number(sheet: Sheet) -> None:
    number = int(sheet.random.integers(1, 900))
    text = (str(number), f"- {number} -", f"{number}.", "xiv", f"Page {number}")[int(sheet.random.integers(0, 5))]
    x = (WIDTH_PX / 2, WIDTH_PX - 220, 160)[int(sheet.random.integers(0, 3))]
    sheet.write(text, (x, HEIGHT_PX - 130), size_pt=float(sheet.random.uniform(8, 12)), ink=0.8)


def _single_digit(sheet: Sheet) -> None:
    sheet.write(str(int(sheet.random.integers(1, 10))), (WIDTH_PX / 2, HEIGHT_PX - 130), size_pt=9, ink=0.7)


def _pale_line(sheet: Sheet) -> None:
    sheet.write(sheet.words(7), sheet.somewhere(), size_pt=11, ink=float(sheet.random.uniform(0.12, 0.3)))


def _signature(sheet: Sheet) -> None:
    x, y = sheet.somewhere(200)
    loops = float(sheet.random.uniform(4, 8))
    wide, high = float(sheet.random.uniform(160, 330)), float(sheet.random.uniform(20, 45))
    phase = float(sheet.random.uniform(0, 6))
    points = [
        (x + wide * t + 18 * math.cos(loops * 6.3 * t), y + high * (1 - 0.6 * t) * math.sin(loops * 6.3 * t + phase))
        for t in np.linspace(0, 1, 220)
    ]
    sheet.stroke(points, width_px=int(sheet.random.integers(2, 4)), ink=float(sheet.random.uniform(0.4, 0.9)))


def _name_by_hand(sheet: Sheet) -> None:
    ink = float(sheet.random.uniform(0.35, 0.8))
    sheet.write(sheet.words(2).title(), sheet.somewhere(), size_pt=24, font=_HAND, ink=ink)


def _round_stamp(sheet: Sheet) -> None:
    x, y = sheet.somewhere(250)
    radius, ink = float(sheet.random.uniform(70, 110)), int(255 * sheet.random.uniform(0.3, 0.8))
    for inset in (0.0, 12.0, radius * 0.45):
        box = (x - radius + inset, y - radius + inset, x + radius - inset, y + radius - inset)
        sheet.pen.ellipse(box, outline=ink, width=3)
    for step in range(24):  # the teeth of a seal
        angle = step * math.pi / 12
        inner, outer = radius * 0.6, radius * 0.8
        sheet.pen.line([(x + r * math.cos(angle), y + r * math.sin(angle)) for r in (inner, outer)], fill=ink, width=4)


def _text_stamp(sheet: Sheet) -> None:
    stamp = Image.new("L", sheet.ink.size, 0)
    pen = ImageDraw.Draw(stamp)
    ink = int(255 * sheet.random.uniform(0.3, 0.8))
    pen.rectangle((420, 700, 760, 800), outline=ink, width=5)
    pen.text((450, 725), "RECEIVED", fill=ink, font=ImageFont.truetype(_PRINT, 52))
    sheet.lay(stamp.rotate(float(sheet.random.uniform(-25, 25)), resample=Image.Resampling.BICUBIC))


def _pencil(sheet: Sheet) -> None:
    x, y = sheet.somewhere()
    for line in range(3):
        ink = float(sheet.random.uniform(0.12, 0.22))
        sheet.write(sheet.words(5), (x, y + 60 * line), size_pt=20, font=_HAND, ink=ink)
    sheet.ink = sheet.ink.filter(ImageFilter.GaussianBlur(0.8))
    sheet.pen = ImageDraw.Draw(sheet.ink)


def _check_mark(sheet: Sheet) -> None:
    x, y = sheet.somewhere()
    size = float(sheet.random.uniform(20, 45))
    sheet.stroke([(x, y), (x + size * 0.4, y + size * 0.5), (x + size, y - size)], width_px=3, ink=0.6)


def _faint_among_dirt(sheet: Sheet) -> None:
    _all_of_it(sheet)
    _pale_line(sheet)


BLANK: Mapping[str, Draw] = {
    "paper": _paper,
    "dust": _dust,
    "show-through": _show_through,
    "borders": _borders,
    "hole punches": _hole_punches,
    "a fold": _fold,
    "all of it": _all_of_it,
}
CONTENT: Mapping[str, Draw] = {
    "a page number": _page_number,
    "a single digit": _single_digit,
    "one pale line": _pale_line,
    "a signature": _signature,
    "a name by hand": _name_by_hand,
    "a seal": _round_stamp,
    "a stamp with text": _text_stamp,
    "pencil": _pencil,
    "a check mark": _check_mark,
    "a pale line among dirt": _faint_among_dirt,
}


def sparse_pages(*, seed: int = 1, of_each: int = 1, only: Collection[str] = ()) -> Iterator[SparsePage]:
    """Yield `of_each` pages of each kind, or of these kinds only; the same seed gives the same pixels."""
    for has_content, kinds in ((False, BLANK), (True, CONTENT)):
        for place, (kind, draw) in enumerate(kinds.items()):
            for copy in range(of_each if not only or kind in only else 0):
                sheet = Sheet(np.random.default_rng([seed, has_content, place, copy]))
                draw(sheet)
                yield SparsePage(kind, has_content, sheet.scanned())


def write_scans(path: Path, pages: list[SparsePage], *, quality: int = 75) -> Path:
    """Write scanned pages as one PDF, each as a JPEG, as scanners do."""
    pdf = pikepdf.new()
    for page in pages:
        pdf.add_blank_page(page_size=(595, 842))
        scan = pdf.make_stream(
            _encoded(page.pixels, "JPEG", quality=quality),
            Type=pikepdf.Name.XObject,
            Subtype=pikepdf.Name.Image,
            Width=WIDTH_PX,
            Height=HEIGHT_PX,
            ColorSpace=pikepdf.Name.DeviceGray,
            BitsPerComponent=8,
            Filter=pikepdf.Name.DCTDecode,
        )
        pdf.pages[-1].Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Scan=scan))
        pdf.pages[-1].Contents = pdf.make_stream(b"q 595 0 0 842 0 0 cm /Scan Do Q")
    path.parent.mkdir(parents=True, exist_ok=True)
    pdf.save(path, deterministic_id=True)
    return path


def _encoded(pixels: NDArray[np.uint8], kind: str, **options: int) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, kind, **options)
    return data.getvalue()


def main() -> None:
    """Write a PDF for each kind."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for page in sparse_pages(seed=seed):
        name = f"{'content' if page.has_content else 'blank'}-{page.kind.replace(' ', '-')}.pdf"
        write_scans(folder / name, [page])


if __name__ == "__main__":
    main()
