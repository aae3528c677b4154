"""Renders the project's sample pages as a batch sends them: `python -m benchmarks.gpu_service.pages FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer

SAMPLES = Path(__file__).parents[2] / "tests" / "samples"


async def render(samples: Sequence[Path], folder: Path) -> int:
    """Write one PNG a page that has ink."""
    options = RenderOptions(longest_edge_px=1540, max_dpi=300, skip_blank=True, prefer_text=False)
    async with PdfiumRasterizer(workers=1, page_seconds=60, memory_bytes=2**31, options=options) as rasterizer:
        for path in samples:
            for number in range(1, await rasterizer.page_count(path) + 1):
                page = await rasterizer.render(path, number)
                if page.png:
                    (folder / f"{path.stem}-{number:02d}.png").write_bytes(page.png)
                    sys.stdout.write(f"{path.stem} {number}: {page.width_px} x {page.height_px}\n")
    return 0


def main() -> int:
    """Render them into the folder that the command line names."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(render(sorted(SAMPLES.glob("*.pdf")), folder))


if __name__ == "__main__":
    sys.exit(main())
