"""Text in fonts that are neither in the file nor on the machine: PDFium leaves it out, or draws other letters.

Latin text is safe: PDFium carries fonts of its own for it. So only pages are looked at that use a font at risk, and
there each character: does PDFium have an outline for it, and did it leave any ink?
"""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pikepdf
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from pagemill.domain.wording import counted
from pagemill.errors import PageUnreadable
from pagemill.extras import INSTALL_FONTS
from pagemill.pdf.blank import PagePixels

_FILES = ("/FontFile", "/FontFile2", "/FontFile3")
# Glyphs that PDFium's own fonts have under these names: those of WinAnsiEncoding.
_OWN_GLYPHS = frozenset(
    f"/{name}"
    for name in (
        *"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        *"space exclam quotedbl numbersign dollar percent ampersand quotesingle parenleft parenright".split(),
        *"asterisk plus comma hyphen period slash zero one two three four five six seven eight nine".split(),
        *"colon semicolon less equal greater question at bracketleft backslash bracketright".split(),
        *"asciicircum underscore grave braceleft bar braceright asciitilde Euro quotesinglbase florin".split(),
        *"quotedblbase ellipsis dagger daggerdbl circumflex perthousand Scaron guilsinglleft OE Zcaron".split(),
        *"quoteleft quoteright quotedblleft quotedblright bullet endash emdash tilde trademark scaron".split(),
        *"guilsinglright oe zcaron Ydieresis exclamdown cent sterling currency yen brokenbar section".split(),
        *"dieresis copyright ordfeminine guillemotleft logicalnot registered macron degree plusminus".split(),
        *"twosuperior threesuperior acute mu paragraph periodcentered cedilla onesuperior ordmasculine".split(),
        *"guillemotright onequarter onehalf threequarters questiondown Agrave Aacute Acircumflex".split(),
        *"Atilde Adieresis Aring AE Ccedilla Egrave Eacute Ecircumflex Edieresis Igrave Iacute".split(),
        *"Icircumflex Idieresis Eth Ntilde Ograve Oacute Ocircumflex Otilde Odieresis multiply Oslash".split(),
        *"Ugrave Uacute Ucircumflex Udieresis Yacute Thorn germandbls agrave aacute acircumflex atilde".split(),
        *"adieresis aring ae ccedilla egrave eacute ecircumflex edieresis igrave iacute icircumflex".split(),
        *"idieresis eth ntilde ograve oacute ocircumflex otilde odieresis divide oslash ugrave uacute".split(),
        *"ucircumflex udieresis yacute thorn ydieresis fi fl .notdef nbspace sfthyphen".split(),
    )
)
_PICTURE_FONTS = re.compile(r"wingding|webding|dingbat|symbol", re.IGNORECASE)
_OWN_PICTURE_FONTS = {"/Symbol", "/ZapfDingbats"}  # PDFium carries these two
_OWN_FAMILY = re.compile(r"Chrome? (?!Symbol|Dingbats)")  # the fonts that PDFium carries: "Chrom Sans OTF"
_CJK_ORDERINGS = {"GB1", "CNS1", "Japan1", "Japan2", "Korea1", "KR"}
_DEEPEST_FORM = 8
_NO_WIDTH = 0.01  # points
_NAME_BYTES = 128
_OUTLINE_SIZE = 20.0
_NO_INK = 16  # of 255: less contrast than this inside a character's box is no character
_LETTERS = {"L", "N"}
_UNKNOWN_LETTER = "a"
_CID_SPACES = {
    b" ",
    b"\x00 ",
    b"\x30\x00",
    b"\x00\x01",
}  # one byte, UCS-2, the wide one, and CID 1 of Adobe's collections
_LAST_CODE = 0x10FFFF
_CURE = "print the document to a new PDF where the font is installed"


class Risk(Enum):
    """Why text in a font may not be drawn as it is meant."""

    LEFT_OUT = "PDFium's own fonts have no shapes for some of its characters"
    CJK = "its characters are looked up in a font of the machine"
    OTHER_SHAPES = "its codes mean something in its own font only"


def risk_of(font: pikepdf.Dictionary) -> Risk | None:
    """Tell whether text in a font needs a font of the machine; None if the file or PDFium has it."""
    kind = font.get("/Subtype")
    if kind == pikepdf.Name.Type3:
        return None
    holder: Any = font
    if kind == pikepdf.Name.Type0:
        descendants = font.get("/DescendantFonts")
        holder = descendants[0] if isinstance(descendants, pikepdf.Array) and len(descendants) else font
    descriptor = holder.get("/FontDescriptor") if isinstance(holder, pikepdf.Dictionary) else None
    if isinstance(descriptor, pikepdf.Dictionary) and any(key in descriptor for key in _FILES):
        return None
    if kind == pikepdf.Name.Type0:
        system = holder.get("/CIDSystemInfo")
        ordering = str(system.get("/Ordering", "")) if isinstance(system, pikepdf.Dictionary) else ""
        by_number = str(font.get("/Encoding", "")).startswith("/Identity") and ordering in {"", "Identity"}
        if by_number:
            return Risk.OTHER_SHAPES
        return Risk.CJK if ordering in _CJK_ORDERINGS else Risk.LEFT_OUT
    name = str(font.get("/BaseFont", ""))
    if name not in _OWN_PICTURE_FONTS and _PICTURE_FONTS.search(name):
        return Risk.OTHER_SHAPES
    encoding = font.get("/Encoding")
    differences = encoding.get("/Differences") if isinstance(encoding, pikepdf.Dictionary) else None
    is_foreign = isinstance(differences, pikepdf.Array) and any(
        isinstance(entry, pikepdf.Name) and str(entry) not in _OWN_GLYPHS for entry in differences
    )
    return Risk.LEFT_OUT if is_foreign and name not in _OWN_PICTURE_FONTS else None


@dataclass(slots=True)
class _Seen:
    """The characters of one font on one page."""

    without_outline: list[str] = field(default_factory=list)
    without_ink: list[str] = field(default_factory=list)
    in_other_shapes: int = 0  # drawn with PDFium's own letters, which the codes do not mean


def check_text(
    page: pdfium.PdfPage, pixels: PagePixels, risks: dict[str, Risk], count_spaces: Callable[[str], int]
) -> list[str]:
    """Look for characters that are missing from a rendering. Call it for pages that use a font at risk.

    Args:
        page: The page.
        pixels: Its rendering.
        risks: The fonts at risk on it, by name.
        count_spaces: How often the page shows a single space, as a string of its own, in a font.

    Returns:
        Findings about signs that are missing or wrong.

    Raises:
        PageUnreadable: Letters or digits are missing, or drawn as others.
    """
    findings = []
    seen_fonts = _fonts_on(page, pixels, risks)
    for name, dropped in _dropped_by_font(page, risks).items():
        # PDFium's list of characters lacks strings of no width: single spaces, and single characters without a shape.
        unseen = dropped - count_spaces(name)
        if unseen > 0:
            entry = seen_fonts.setdefault(name, _Seen())
            entry.without_outline += [_UNKNOWN_LETTER] * unseen
            entry.without_ink += [_UNKNOWN_LETTER] * unseen
    for name, seen in seen_fonts.items():
        if seen.in_other_shapes:
            said = (
                f"font {name}: {counted(seen.in_other_shapes, 'character')} in other shapes: "
                "the font is neither in the file nor on this machine"
            )
            if not _PICTURE_FONTS.search(name):
                raise PageUnreadable(f"{said}; {_CURE}")
            findings.append(said)
        missing = seen.without_outline if 2 * len(seen.without_ink) >= len(seen.without_outline) else seen.without_ink
        if missing:
            cure = f"type: {INSTALL_FONTS}" if risks[name] is Risk.CJK else _CURE
            what = f"font {name}: {counted(len(missing), 'character')} without ink"
            said = f"{what}: the font is not on this machine; {cure}"
            if any(unicodedata.category(character)[0] in _LETTERS for character in missing):
                raise PageUnreadable(said)
            findings.append(said)
    return findings


def _fonts_on(page: pdfium.PdfPage, pixels: PagePixels, risks: dict[str, Risk]) -> dict[str, _Seen]:
    text = page.get_textpage()
    fonts: dict[int, tuple[str, Risk | None]] = {}
    outlines: dict[tuple[int, int], bool] = {}
    seen: dict[str, _Seen] = {}
    for index in range(text.count_chars()):
        code = pdfium_c.FPDFText_GetUnicode(text, index)
        thing = pdfium_c.FPDFText_GetTextObject(text, index)
        if not thing or not 0 <= code <= _LAST_CODE or chr(code).isspace():
            continue
        if pdfium_c.FPDFTextObj_GetTextRenderMode(thing) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE:
            continue
        font = pdfium_c.FPDFTextObj_GetFont(thing)
        identity = ctypes.addressof(font.contents) if font else 0
        if identity not in fonts:
            fonts[identity] = _risk_as_drawn(font, risks) if font else ("", None)
        name, risk = fonts[identity]
        if not risk:
            continue
        entry = seen.setdefault(name, _Seen())
        if risk is Risk.OTHER_SHAPES:
            entry.in_other_shapes += 1
            continue
        if (identity, code) not in outlines:
            outlines[identity, code] = bool(pdfium_c.FPDFFont_GetGlyphPath(font, code, _OUTLINE_SIZE))
        if not outlines[identity, code]:
            entry.without_outline.append(chr(code))
            if not _has_ink(page, text, index, pixels):
                entry.without_ink.append(chr(code))
    text.close()
    return seen


def _dropped_by_font(page: pdfium.PdfPage, risks: dict[str, Risk]) -> Counter[str]:
    dropped: Counter[str] = Counter()
    count, get = pdfium_c.FPDFPage_CountObjects, pdfium_c.FPDFPage_GetObject
    pending = [(page, count, get, 0)]
    while pending:
        holder, count, get, depth = pending.pop()
        for index in range(count(holder)):
            thing = get(holder, index)
            kind = pdfium_c.FPDFPageObj_GetType(thing)
            if kind == pdfium_c.FPDF_PAGEOBJ_FORM and depth < _DEEPEST_FORM:
                pending.append((thing, pdfium_c.FPDFFormObj_CountObjects, pdfium_c.FPDFFormObj_GetObject, depth + 1))
            elif kind == pdfium_c.FPDF_PAGEOBJ_TEXT and _has_no_width(thing):
                font = pdfium_c.FPDFTextObj_GetFont(thing)
                name, risk = _risk_as_drawn(font, risks) if font else ("", None)
                if risk:
                    dropped[name] += 1
    return dropped


def _has_no_width(thing: Any) -> bool:
    if pdfium_c.FPDFTextObj_GetTextRenderMode(thing) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE:
        return False
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    return bool(pdfium_c.FPDFPageObj_GetBounds(thing, left, bottom, right, top)) and (
        abs(right.value - left.value) < _NO_WIDTH
    )


def is_space(font: pikepdf.Dictionary, shown: bytes) -> bool:
    """Tell whether a string is one space in a font's encoding."""
    if font.get("/Subtype") == pikepdf.Name.Type0:
        return shown in _CID_SPACES
    encoding = font.get("/Encoding")
    differences = encoding.get("/Differences") if isinstance(encoding, pikepdf.Dictionary) else None
    code, names = 0, {ord(" "): "/space"}
    for entry in differences if isinstance(differences, pikepdf.Array) else ():
        if isinstance(entry, pikepdf.Name):
            names[code] = str(entry)
            code += 1
        else:
            code = int(entry)
    return len(shown) == 1 and names.get(shown[0]) in {"/space", "/nbspace"}


def _risk_as_drawn(font: Any, risks: dict[str, Risk]) -> tuple[str, Risk | None]:
    """The font's name, and what is left of its risk now that PDFium has chosen a font for it."""
    name, family = (_name(get, font) for get in (pdfium_c.FPDFFont_GetBaseFontName, pdfium_c.FPDFFont_GetFamilyName))
    risk = risks.get(name)
    if risk is Risk.OTHER_SHAPES and not _OWN_FAMILY.match(family):
        return name, None  # the machine has it
    return name, risk


def _name(get: Any, font: Any) -> str:
    buffer = ctypes.create_string_buffer(_NAME_BYTES)
    get(font, buffer, _NAME_BYTES)
    return buffer.value.decode("utf-8", "replace")


def _has_ink(page: pdfium.PdfPage, text: pdfium.PdfTextPage, index: int, pixels: PagePixels) -> bool:
    """Tell whether there is any contrast where a character stands; true where it stands outside the page."""
    box = pdfium_c.FS_RECTF()
    if not pdfium_c.FPDFText_GetLooseCharBox(text, index, box):
        return False
    region = pixels.region(page, (box.left, box.bottom, box.right, box.top))
    if not region.size:
        return True
    green = region >> 8 & 0xFF
    return int(green.max()) - int(green.min()) > _NO_INK
