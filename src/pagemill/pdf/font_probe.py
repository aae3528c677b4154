"""Which scripts this machine has fonts for, asked of PDFium itself: a page for each, in a font that is not embedded."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from pagemill.errors import PageUnreadable
from pagemill.extras import INSTALL_FONTS
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer

# Script: the font and the encoding that producers name, Adobe's collection of its characters, and some text.
_SCRIPTS = {
    "simplified Chinese": ("STSong-Light", "UniGB-UCS2-H", "GB1", "合同"),
    "traditional Chinese": ("MSung-Light", "UniCNS-UCS2-H", "CNS1", "契約"),
    "Japanese": ("HeiseiMin-W3", "UniJIS-UCS2-H", "Japan1", "契約です"),
    "Korean": ("HYSMyeongJo-Medium", "UniKS-UCS2-H", "Korea1", "계약"),
}


async def missing_scripts(rasterizer: PdfiumRasterizer) -> list[str]:
    """The scripts whose text is left out where a PDF does not embed its fonts."""
    missing = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fonts.pdf"
        path.write_bytes(_probe())
        for number, script in enumerate(_SCRIPTS, start=1):
            try:
                await rasterizer.render(path, number)
            except PageUnreadable:
                missing.append(script)
    return missing


def _probe() -> bytes:
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    pages = []
    for font, encoding, ordering, text in _SCRIPTS.values():
        first = len(objects) + 1
        pages.append(f"{first} 0 R")
        contents = f"BT /F 24 Tf 20 40 Td <{text.encode('utf-16-be').hex()}> Tj ET"
        page = f"/MediaBox [0 0 200 100] /Contents {first + 1} 0 R /Resources << /Font << /F {first + 2} 0 R >> >>"
        system = f"<< /Registry (Adobe) /Ordering ({ordering}) /Supplement 2 >>"
        sizes = "/FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93"
        composite = f"/BaseFont /{font} /Encoding /{encoding} /DescendantFonts [{first + 3} 0 R]"
        descendant = f"/BaseFont /{font} /CIDSystemInfo {system} /FontDescriptor {first + 4} 0 R"
        objects += [
            f"<< /Type /Page /Parent 2 0 R {page} >>",
            f"<< /Length {len(contents)} >>\nstream\n{contents}\nendstream",
            f"<< /Type /Font /Subtype /Type0 {composite} >>",
            f"<< /Type /Font /Subtype /CIDFontType0 {descendant} >>",
            f"<< /Type /FontDescriptor /FontName /{font} /Flags 6 {sizes} >>",
        ]
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(pages)}] /Count {len(pages)} >>"
    return _written(objects)


def _written(objects: list[str]) -> bytes:
    out, offsets = "%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    rows = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return f"{out}xref\n0 {size}\n0000000000 65535 f \n{rows}{trailer}".encode("ascii")


async def _main() -> int:
    options = RenderOptions()
    async with PdfiumRasterizer(workers=1, page_seconds=60, memory_bytes=2 * 2**30, options=options) as rasterizer:
        missing = await missing_scripts(rasterizer)
    if missing:
        sys.stderr.write(f"no fonts for {', '.join(missing)}; type: {INSTALL_FONTS}\n")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
