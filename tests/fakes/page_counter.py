"""Counts a PDF's pages where no file may have more than some bytes: `python -m tests.fakes.page_counter PDF BYTES`.

A process of its own, because a limit that workers cannot lift can be lifted by nobody.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from pagemill.errors import NoRoomLeft
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer


async def count(path: Path) -> int:
    """Count a PDF's pages."""
    async with PdfiumRasterizer(workers=1, page_seconds=60, memory_bytes=2**31, options=RenderOptions()) as rasterizer:
        return await rasterizer.page_count(path)


if __name__ == "__main__":
    most_bytes = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        sys.stdout.write(f"{asyncio.run(count(Path(sys.argv[1])))} pages\n")
    except NoRoomLeft as error:
        sys.stdout.write(f"no room left: {error}\n")
