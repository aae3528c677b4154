"""JPEGs of pages that are healthy, as many programs write them, and what may be done to them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

ENCODINGS: dict[str, dict[str, Any]] = {
    "grey": {"mode": "L", "quality": 75},
    "grey, coarse": {"mode": "L", "quality": 30, "optimize": True},
    "4:2:0": {"mode": "RGB", "quality": 75},
    "4:2:2": {"mode": "RGB", "quality": 85, "subsampling": 1},
    "4:4:4": {"mode": "RGB", "quality": 95, "subsampling": 0},
    "optimized": {"mode": "RGB", "quality": 60, "optimize": True},
    "progressive": {"mode": "RGB", "quality": 75, "progressive": True},
    "grey, progressive": {"mode": "L", "quality": 75, "progressive": True},
    "restart marks": {"mode": "RGB", "quality": 75, "restart_marker_rows": 1},
    "many restart marks": {"mode": "L", "quality": 75, "restart_marker_blocks": 3},
    "CMYK": {"mode": "CMYK", "quality": 75},
}
SHAPE = (440, 520)  # rows and columns; the last block of each is not full


def encoded(picture: NDArray[np.uint8], encoding: str) -> bytes:
    """A grey picture, shape (h, w), as a JPEG; in colours, it has a tint."""
    options = dict(ENCODINGS[encoding])
    image = Image.fromarray(picture)
    if options["mode"] != "L":
        image = Image.merge(
            "RGB", [image, image.point(lambda level: level * 0.9), image.point(lambda level: level * 0.8)]
        )
    image = image.convert(options.pop("mode"))
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def letter(*, paper: int = 236, ink: int = 30, noise: float = 3.0) -> NDArray[np.uint8]:
    """Lines of text on paper, with margins."""
    image = Image.new("L", SHAPE[::-1], paper)
    draw = ImageDraw.Draw(image)
    for line in range(18):
        draw.text(
            (50, 40 + 20 * line), f"Line {line}: {line * 7919 % 9973} pieces were sent, {line} were returned.", ink
        )
    return _noisy(np.asarray(image), noise)


def photograph(seed: int) -> NDArray[np.uint8]:
    """Clouds: noise whose power falls with its frequency, as that of photographs does."""
    rows, columns = SHAPE
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    frequency[0, 0] = 1
    clouds = np.fft.irfft2(np.fft.rfft2(noise) / frequency**1.8, SHAPE)
    return np.asarray(255 * (clouds - clouds.min()) / np.ptp(clouds), np.uint8)


def pictures() -> dict[str, NDArray[np.uint8]]:
    """Pages with all that may look like the traces of damage."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    page = letter()
    skewed = np.asarray(Image.fromarray(page).rotate(1.0, fillcolor=10, resample=Image.Resampling.BICUBIC))
    return {
        "letter": page,
        "clean letter": letter(paper=255, ink=0, noise=0),
        "photograph": photograph(1),
        "another photograph": photograph(2),
        "on a black lid": np.pad(skewed[40:-40, 40:-40], 40, constant_values=10),
        "band": np.where(rows < 203, page, page // 2).astype(np.uint8),
        "slanted band": np.where(rows < 200 + columns // 100, page, page - np.minimum(page, 40)).astype(np.uint8),
        "shaded": np.clip(page.astype(int) - rows // 3, 0, 255).astype(np.uint8),
        "corner": np.where((rows > 200) & (columns > 200), page // 2, page).astype(np.uint8),
        "grey below": np.where(rows < 380, page, 128).astype(np.uint8),
        "grey": np.full(SHAPE, 128, np.uint8),
        "white": np.full(SHAPE, 255, np.uint8),
        "noise": np.random.default_rng(3).integers(0, 256, SHAPE).astype(np.uint8),
    }


def end_of(jpeg: bytes) -> int:
    """Where its end mark is."""
    return jpeg.rindex(b"\xff\xd9")


def scan_of(jpeg: bytes) -> int:
    """Where the data of its first scan begins."""
    mark = jpeg.index(b"\xff\xda")
    return mark + 2 + int.from_bytes(jpeg[mark + 2 : mark + 4], "big")


def with_height(jpeg: bytes, height_px: int) -> bytes:
    """The same data, said to be of another height."""
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + height_px.to_bytes(2, "big") + jpeg[place + 2 :]


def _noisy(picture: NDArray[np.uint8], noise: float) -> NDArray[np.uint8]:
    levels = picture + np.random.default_rng(7).normal(0, noise, picture.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)
