"""What passes between the service and its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from PIL import Image


@dataclass(frozen=True, slots=True)
class Reading:
    """The text of one image."""

    text: str
    width_px: int
    height_px: int


class Engine(Protocol):
    """An OCR engine that has loaded its models."""

    def read(self, picture: Image.Image) -> str:
        """Return the text of an RGB picture in reading order; empty for a blank page."""


class Readers(Protocol):
    """Workers that read images."""

    @property
    def ready(self) -> bool:
        """Whether all have loaded their models."""

    async def read(self, image: bytes) -> Reading:
        """Read an encoded image when a worker is free.

        Raises:
            RequestRejected: The bytes are not a readable image.
            WorkerLost: The worker died or took too long.
        """
