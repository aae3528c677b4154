"""A witness that says of each image what a test tells it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

from tests.fakes.ocr_endpoint import image_name


class FakeWitness:
    """Finds one region of text on each image, and all of them upright, unless it is told otherwise."""

    def __init__(
        self, *, regions: Mapping[str, int | None] | None = None, turned: Mapping[str, int | None] | None = None
    ) -> None:
        """Configure; images are named as `image_name` does."""
        self.name = "a fake"
        self.asked: Counter[str] = Counter()  # how often for the regions of an image
        self._regions = regions or {}
        self._turned = turned or {}

    async def regions(self, png: bytes) -> int | None:
        """The regions of an image."""
        await asyncio.sleep(0)
        self.asked[image_name(png)] += 1
        return self._regions.get(image_name(png), 1)

    async def turned(self, png: bytes) -> int | None:
        """How an image must be turned."""
        await asyncio.sleep(0)
        return self._turned.get(image_name(png), 0)
