"""Text in fonts that are neither in the file nor on the machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Rendering
from pagemill.errors import PageUnreadable
from tests.raw_pdf import TEXT, deflated, raw_pdf

Render = Callable[..., Rendering]

_DESCRIPTOR = (
    b"<< /Type /FontDescriptor /FontName /%s /Flags %d /FontBBox [-25 -254 1000 880] /ItalicAngle 0 /Ascent 880 "
    b"/Descent -120 /CapHeight 880 /StemV 93 >>"
)
_FONTS = b"<< /Font << /F1 5 0 R /F2 6 0 R >> >>"
_CJK_PACKAGE = Path("/usr/share/fonts/opentype/noto")
_NO_CJK_FONT = pytest.mark.skipif(
    any(Path("/usr/share/fonts").rglob("*CJK*")) or any(Path("/usr/share/fonts").rglob("wqy*")),
    reason="this machine has CJK fonts",
)


def _cid_font(base: bytes, ordering: bytes, encoding: bytes) -> dict[int, bytes]:
    return {
        6: b"<< /Type /Font /Subtype /Type0 /BaseFont /%s /Encoding /%s /DescendantFonts [7 0 R] >>" % (base, encoding),
        7: b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /%s /CIDSystemInfo << /Registry (Adobe) /Ordering (%s) "
        b"/Supplement 2 >> /FontDescriptor 8 0 R >>" % (base, ordering),
        8: _DESCRIPTOR % (base, 6),
    }


def _simple_font(base: bytes, glyphs: bytes) -> dict[int, bytes]:
    return {
        6: b"<< /Type /Font /Subtype /TrueType /BaseFont /%s /FirstChar 65 /LastChar 70 "
        b"/Widths [600 600 600 600 600 600] /Encoding << /Differences [65 %s] >> /FontDescriptor 7 0 R >>"
        % (base, glyphs),
        7: _DESCRIPTOR % (base, 32),
    }


def _hex(text: str) -> bytes:
    return b"<" + text.encode("utf-16-be").hex().encode() + b">"


CJK = {
    "Chinese": (b"STSong-Light", b"GB1", b"UniGB-UCS2-H", "合同编号总金额"),
    "traditional Chinese": (b"MSung-Light", b"CNS1", b"UniCNS-UCS2-H", "契約編號總金額"),
    "Japanese": (b"HeiseiMin-W3", b"Japan1", b"UniJIS-UCS2-H", "契約書番号合計"),
    "Korean": (b"HYSMyeongJo-Medium", b"Korea1", b"UniKS-UCS2-H", "계약서번호합계금"),
}


@_NO_CJK_FONT
@pytest.mark.parametrize(("base", "ordering", "encoding", "text"), CJK.values(), ids=CJK.keys())
@pytest.mark.parametrize("beside", [TEXT, b""], ids=["beside Latin text", "alone"])
def test_text_without_a_font_fails_the_page_and_says_what_to_install(  # noqa: PLR0917 -- fixtures
    base: bytes, ordering: bytes, encoding: bytes, text: str, beside: bytes, tmp_path: Path, render: Render
) -> None:
    contents = beside + b" BT /F2 24 Tf 72 600 Td %s Tj ET" % _hex(text)
    path = raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=_cid_font(base, ordering, encoding))

    with pytest.raises(
        PageUnreadable,
        match=f"font {base.decode()}: {len(text)} characters without ink: .* apt-get install fonts-noto-cjk",
    ):
        render(path)


@_NO_CJK_FONT
def test_a_missing_font_is_noticed_where_a_line_runs_through_some_of_its_characters(
    tmp_path: Path, render: Render
) -> None:
    contents = TEXT + b" BT /F2 24 Tf 72 600 Td %s Tj ET 60 606 60 2 re f" % _hex("合同编号总金额")
    objects = _cid_font(b"STSong-Light", b"GB1", b"UniGB-UCS2-H")

    with pytest.raises(PageUnreadable, match="7 characters without ink"):
        render(raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=objects))


@_NO_CJK_FONT
def test_a_missing_font_is_noticed_where_each_character_is_a_string_of_its_own(tmp_path: Path, render: Render) -> None:
    single = b" ".join(_hex(character) + b" Tj 30 0 Td" for character in "合同 编号")
    contents = TEXT + b" BT /F2 24 Tf 72 600 Td " + single + b" ET"
    objects = _cid_font(b"STSong-Light", b"GB1", b"UniGB-UCS2-H")

    with pytest.raises(PageUnreadable, match=r"4 characters without ink: .* fonts-noto-cjk"):
        render(raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=objects))


def test_spaces_in_a_font_that_is_not_there_are_healthy(tmp_path: Path, render: Render) -> None:
    contents = TEXT + b" BT /F2 24 Tf 72 600 Td <0020> Tj 30 0 Td <3000> Tj 30 0 Td <00200020> Tj ET"
    objects = _cid_font(b"STSong-Light", b"GB1", b"UniGB-UCS2-H")

    assert render(raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=objects)).objections == ()


@pytest.mark.parametrize(
    ("glyphs", "count"),
    [(b"/afii10017 /afii10018 /afii10019", 3), (b"/Alpha /Beta", 2), (b"/Aogonek /eogonek /B", 2), (b"/uni0411", 1)],
    ids=["Cyrillic", "Greek", "Polish", "by code"],
)
def test_letters_that_pdfium_has_no_shape_for_fail_the_page(
    glyphs: bytes, count: int, tmp_path: Path, render: Render
) -> None:
    contents = TEXT + b" BT /F2 24 Tf 72 600 Td (" + b"ABC"[: glyphs.count(b"/")] + b") Tj ET"
    path = raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=_simple_font(b"ArialMT", glyphs))

    with pytest.raises(PageUnreadable, match=f"font ArialMT: {count} characters? without ink"):
        render(path)


@pytest.mark.parametrize(
    ("base", "glyphs"),
    [(b"ArialMT", b"/A /eacute /Euro /bullet /fi /zcaron"), (b"Calibri", b"/quotedblleft /emdash /Thorn")],
)
def test_latin_text_in_fonts_that_are_not_embedded_is_healthy(
    base: bytes, glyphs: bytes, tmp_path: Path, render: Render
) -> None:
    contents = TEXT + b" BT /F2 24 Tf 72 600 Td (ABC) Tj ET"
    path = raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=_simple_font(base, glyphs))

    assert render(path).objections == ()


def test_text_that_is_invisible_by_intention_needs_no_font(tmp_path: Path, render: Render) -> None:
    contents = TEXT + b" BT 3 Tr /F2 24 Tf 72 600 Td %s Tj ET" % _hex("合同编号")
    objects = _cid_font(b"STSong-Light", b"GB1", b"UniGB-UCS2-H")

    assert render(raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=objects)).objections == ()


def test_glyph_numbers_of_a_font_that_is_not_there_are_no_text(tmp_path: Path, render: Render) -> None:
    contents = TEXT + b" BT /F2 24 Tf 72 600 Td <003700520057> Tj ET"
    objects = _cid_font(b"Calibri", b"Identity", b"Identity-H")

    with pytest.raises(PageUnreadable, match="font Calibri: 3 characters in other shapes"):
        render(raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=objects))


def test_signs_of_a_picture_font_that_is_not_there_are_a_finding(tmp_path: Path, render: Render) -> None:
    objects = {
        6: b"<< /Type /Font /Subtype /TrueType /BaseFont /Wingdings /FontDescriptor 7 0 R >>",
        7: _DESCRIPTOR % (b"Wingdings", 4),
    }
    contents = TEXT + b" BT /F2 24 Tf 72 600 Td <fe> Tj ET"

    rendering = render(raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=objects))

    assert rendering.objections == (
        "font Wingdings: 1 character in other shapes: the font is neither in the file nor on this machine",
    )


@_NO_CJK_FONT
def test_faulty_inputs_have_their_right_values(faulty: Path, render: Render) -> None:
    path = faulty / "e-fonts-not-embedded.pdf"

    for number in (1, 2):
        with pytest.raises(PageUnreadable, match="fonts-noto-cjk"):
            render(path, number)
    assert "font Wingdings" in render(path, 3).objections[0]
    with pytest.raises(PageUnreadable, match="font ArialMT"):
        render(path, 4)


@pytest.mark.skipif(not _CJK_PACKAGE.exists(), reason="needs what the message says: apt-get install fonts-noto-cjk")
@pytest.mark.parametrize(("base", "ordering", "encoding", "text"), CJK.values(), ids=CJK.keys())
def test_with_the_package_that_the_message_names_the_text_is_drawn(  # noqa: PLR0917 -- fixtures
    base: bytes, ordering: bytes, encoding: bytes, text: str, tmp_path: Path, render: Render
) -> None:
    contents = b"BT /F2 24 Tf 72 600 Td %s Tj ET" % _hex(text)
    path = raw_pdf(tmp_path / "a.pdf", contents, resources=_FONTS, objects=_cid_font(base, ordering, encoding))

    rendering = render(path)

    assert rendering.png
    assert rendering.objections == ()


def test_the_values_of_form_fields_are_drawn_without_a_list_of_fields(
    tmp_path: Path, faulty: Path, render: Render
) -> None:
    field = b"<< /Type /Annot /Subtype /Widget /F 4 /T (name) /Rect [72 600 500 640] %s >>"
    values = {
        "text": b"/FT /Tx /V (Robin Sample) /DA (/Helv 14 Tf 0 g)",
        "choice": b"/FT /Ch /V (Robin Sample) /Opt [(Robin Sample)] /DA (/Helv 14 Tf 0 g)",
        "appearance": b"/FT /Tx /V (Robin Sample) /AP << /N 7 0 R >>",
    }
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 428 40] /Resources << /Font << /F1 5 0 R >> >>"
    for kind, value in values.items():
        objects = {6: field % value, 7: deflated(b"BT /F1 14 Tf 2 12 Td (Robin Sample) Tj ET", form)}
        rendering = render(raw_pdf(tmp_path / f"{kind}.pdf", page=b"/Annots [6 0 R]", objects=objects))
        assert rendering.png, kind
        assert rendering.objections == ()

    assert render(faulty / "a3-widgets-without-acroform.pdf").objections == ()


def test_pikepdf_is_imported_by_render_workers_only() -> None:
    code = "import sys, pagemill.pdf.rasterizer, pagemill.pdf.canaries; sys.exit('pikepdf' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
