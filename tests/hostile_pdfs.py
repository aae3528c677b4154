"""PDFs that are broken, hostile or unusual, written at test time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pikepdf
from pikepdf import Array, Dictionary, Name
from PIL import Image

from tests.pdfs import numbered_pdf, write_pdf


def encrypted(path: Path) -> None:
    """A PDF that needs a password."""
    numbered_pdf(path, 1)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(owner="owner", user="user"))


def encrypted_without_user_password(path: Path) -> None:
    """Encrypted, but opens without a password."""
    numbered_pdf(path, 1)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(owner="owner", user=""))


def truncated(path: Path) -> None:
    """Cut off where its objects begin, as by a broken download."""
    numbered_pdf(path, 3)
    path.write_bytes(path.read_bytes()[:40])


def zero_pages(path: Path) -> None:
    """A PDF without any page."""
    with pikepdf.new() as pdf:
        pdf.save(path)


def zero_bytes(path: Path) -> None:
    """An empty file."""
    path.write_bytes(b"")


def not_a_pdf(path: Path) -> None:
    """A PNG under a PDF's name."""
    Image.new("L", (9, 9)).save(path, "PNG")


def cyclic_page_tree(path: Path) -> None:
    """A page tree whose node is its own child."""
    numbered_pdf(path, 1)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pages = pdf.Root.Pages
        pages.Kids = Array([pages])
        pages.Count = 3
        pdf.save(path)


def dynamic_xfa(path: Path) -> None:
    """A form whose pages exist only in Adobe's own format."""
    write_pdf(path, ["Please wait..."])
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        xfa = pdf.make_stream(b'<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/"></xdp:xdp>')
        pdf.Root.AcroForm = Dictionary(XFA=xfa, Fields=Array([]))
        pdf.Root.NeedsRendering = True
        pdf.save(path)


def wide_14400_points(path: Path) -> None:
    """The largest page that PDF 1.7 allows."""
    write_pdf(path, [lambda canvas: canvas.rect(1000, 1000, 5000, 5000, fill=1)], size=(14400, 14400))


def too_narrow(path: Path) -> None:
    """A strip 14,400 points long and 10 high."""
    write_pdf(path, [lambda canvas: canvas.rect(0, 0, 999, 5, fill=1)], size=(14400, 10))


def without_area(path: Path) -> None:
    """A page whose media box is a line."""
    numbered_pdf(path, 1)
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.pages[0].MediaBox = Array([0, 0, 0, 500])
        pdf.save(path)


def damaged_jbig2(path: Path) -> None:
    """A scan whose JBIG2 data is garbage: it decodes to white without an error."""
    _image_page(path, b"garbage", Filter=Name.JBIG2Decode, ColorSpace=Name.DeviceGray, BitsPerComponent=1)


def gigantic_image(path: Path) -> None:
    """A few kilobytes that unpack to an image of 40,000 x 40,000 pixels."""
    data = zlib.compress(bytes(10**7), 9)
    colours = {"ColorSpace": Name.DeviceRGB, "BitsPerComponent": 8}
    _image_page(path, data, size=40_000, Filter=Name.FlateDecode, **colours)


def nested_forms(path: Path) -> None:
    """Forms that each draw the next one twice, 2^30 rectangles in all: rendering takes for ever."""
    with pikepdf.new() as pdf:
        form = _form(pdf, b"0 0 9 9 re f", None)
        for _ in range(30):
            form = _form(pdf, b"/F Do /F Do", form)
        page = pdf.add_blank_page(page_size=(200, 200))
        page.Resources = Dictionary(XObject=Dictionary(F=form))
        page.Contents = pdf.make_stream(b"/F Do")
        pdf.save(path)


def ten_thousand_pages(path: Path) -> None:
    """Ten thousand pages that share one content stream."""
    with pikepdf.new() as pdf:
        pdf.add_blank_page(page_size=(200, 200)).Contents = pdf.make_stream(b"10 10 50 50 re f")
        leaf = pdf.pages[0].obj
        node = pdf.Root.Pages
        node.Kids = Array([pdf.make_indirect(Dictionary(dict(leaf.items()))) for _ in range(10_000)])
        node.Count = 10_000
        pdf.save(path)


def _form(pdf: pikepdf.Pdf, content: bytes, inner: pikepdf.Object | None) -> pikepdf.Object:
    form = pdf.make_stream(content)
    form.Type, form.Subtype, form.BBox = Name.XObject, Name.Form, Array([0, 0, 200, 200])
    form.Resources = Dictionary(XObject=Dictionary(F=inner)) if inner is not None else Dictionary()
    return form


def _image_page(path: Path, data: bytes, *, size: int = 1000, **entries: object) -> None:
    with pikepdf.new() as pdf:
        image = pdf.make_stream(data, Type=Name.XObject, Subtype=Name.Image, Width=size, Height=size, **entries)
        page = pdf.add_blank_page(page_size=(595, 842))
        page.Resources = Dictionary(XObject=Dictionary(I=image))
        page.Contents = pdf.make_stream(b"595 0 0 842 0 0 cm /I Do")
        pdf.save(path)


# The function that writes each file, and what its error says; None if the file is read without an error.
HOSTILE: dict[str, tuple[Callable[[Path], None], str | None]] = {
    "encrypted.pdf": (encrypted, "password-protected"),
    "encrypted-without-user-password.pdf": (encrypted_without_user_password, None),
    "truncated.pdf": (truncated, "damaged"),
    "zero-pages.pdf": (zero_pages, "no pages"),
    "zero-bytes.pdf": (zero_bytes, "empty"),
    "not-a-pdf.pdf": (not_a_pdf, "not a PDF"),
    "cyclic-page-tree.pdf": (cyclic_page_tree, "no pages, or none that can be found"),
    "dynamic-xfa.pdf": (dynamic_xfa, "XFA form"),
    "wide-14400-points.pdf": (wide_14400_points, None),
    "too-narrow.pdf": (too_narrow, "too narrow"),
    "without-area.pdf": (without_area, None),  # PDFium uses US Letter instead
    "damaged-jbig2.pdf": (damaged_jbig2, "came out empty"),
    "gigantic-image.pdf": (gigantic_image, "too large to decode"),
    "nested-forms.pdf": (nested_forms, "longer than"),
}
