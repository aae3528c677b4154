"""A page with a damaged part is sent with a finding that says so; a page that lost a large image is failed."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

from pagemill.domain.pages.model import Rendering
from pagemill.errors import PageUnreadable
from pagemill.pdf.annotations import NOT_RENDERED
from pagemill.pdf.damage import damage_of
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.pdf_file import PdfFile
from pagemill.pdf.second_reader import SecondReader
from tests.raw_pdf import HELVETICA, TEXT, deflated, raw_pdf, stream

Render = Callable[..., Rendering]

_WITH_IMAGE = b"<< /XObject << /Im1 6 0 R >> /Font << /F1 5 0 R >> >>"
_IMAGE = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8 /Width 200 /Height 260 "
_FORM = b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] "
_FULL = TEXT + b" q 612 0 0 600 0 0 cm /Im1 Do Q"
_SMALL = TEXT + b" q 60 0 0 78 400 500 cm /Im1 Do Q"


def _noise() -> bytes:
    return np.random.default_rng(1).integers(0, 255, 200 * 260, np.uint8).tobytes()


def _jpeg(*, progressive: bool = False) -> bytes:
    data = io.BytesIO()
    Image.frombytes("L", (200, 260), _noise()).save(data, "JPEG", quality=60, progressive=progressive)
    return data.getvalue()


def _fax() -> bytes:
    tiff = io.BytesIO()
    ruled = Image.new("1", (200, 260), 1)
    for row in range(0, 260, 13):
        ruled.paste(0, (10, row, 190, row + 4))
    ruled.save(tiff, "TIFF", compression="group4", tiffinfo={278: 260})
    with Image.open(tiff) as image:
        offset, size = image.tag_v2[273][0], image.tag_v2[279][0]  # type: ignore[attr-defined]
    return tiff.getvalue()[offset : offset + size]


def _jpeg_2000() -> bytes:
    data = io.BytesIO()
    Image.frombytes("L", (200, 260), _noise()).save(data, "JPEG2000", irreversible=True, quality_layers=[20])
    return data.getvalue()


_DEFLATED = zlib.compress(_noise(), 6)
_FAX_IMAGE = (
    b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 1 /Width 200 /Height 260 "
    b"/Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 200 /Rows 260 >>"
)
_DCT, _JPX, _FLATE = (b"/Filter /DCTDecode", b"/Filter /JPXDecode", b"/Filter /FlateDecode")

HEALTHY = {
    "plain": stream(_noise(), _IMAGE),
    "Flate": stream(_DEFLATED, _IMAGE + _FLATE),
    "Flate without its checksum": stream(_DEFLATED[:-4], _IMAGE + _FLATE),
    "JPEG": stream(_jpeg(), _IMAGE + _DCT),
    "progressive JPEG": stream(_jpeg(progressive=True), _IMAGE + _DCT),
    "JPEG with bytes after its end": stream(_jpeg() + b"\n\n", _IMAGE + _DCT),
    "JPEG in Flate": stream(zlib.compress(_jpeg()), _IMAGE + b"/Filter [/FlateDecode /DCTDecode]"),
    "fax": stream(_fax(), _FAX_IMAGE),
    "JPEG 2000": stream(_jpeg_2000(), _IMAGE + _JPX),
}

DAMAGED = {
    "an object that is not there": (b"", "object Im1 is missing"),
    "Flate cut off": (stream(_DEFLATED[:9000], _IMAGE + _FLATE), r"image Im1 \(FlateDecode\) .* ends early"),
    "Flate overwritten": (
        stream(_DEFLATED[:9000] + bytes(16) + _DEFLATED[9016:], _IMAGE + _FLATE),
        r"image Im1 \(FlateDecode\) is damaged",
    ),
    "Flate of half the rows": (
        stream(zlib.compress(_noise()[:26000]), _IMAGE + _FLATE),
        r"image Im1 \(FlateDecode\) is damaged: it has 26,000 of 52,000 bytes",
    ),
    "plain and short": (stream(_noise()[:26000], _IMAGE), r"image Im1 \(not compressed\) is damaged"),
    "JPEG cut off": (stream(_jpeg()[:-2000], _IMAGE + _DCT), r"image Im1 \(DCTDecode\) .* ends early"),
    "progressive JPEG cut off": (
        stream(_jpeg(progressive=True)[:-2000], _IMAGE + _DCT),
        r"image Im1 \(DCTDecode\) .* ends early",
    ),
    "JPEG without its start": (stream(_jpeg()[40:], _IMAGE + _DCT), r"\(DCTDecode\) is damaged"),
    "JPEG zeroed inside": (
        stream(_jpeg()[:3000] + bytes(16) + _jpeg()[3016:], _IMAGE + _DCT),
        r"image Im1 \(DCTDecode\) is damaged",
    ),
    "fax cut off": (stream(_fax()[: len(_fax()) // 2], _FAX_IMAGE), r"image Im1 \(CCITTFaxDecode\) .* no end"),
    "JPEG 2000 cut off": (stream(_jpeg_2000()[:-900], _IMAGE + _JPX), r"\(JPXDecode\) is damaged"),
    "JBIG2 garbage": (
        stream(b"garbage" * 50, _IMAGE.replace(b"Component 8", b"Component 1") + b"/Filter /JBIG2Decode"),
        r"\(JBIG2Decode\) is damaged",
    ),
    "a filter nobody knows": (stream(_DEFLATED, _IMAGE + b"/Filter /ZstdDecode"), r"\(ZstdDecode\) is damaged"),
}


@pytest.mark.parametrize("image", HEALTHY.values(), ids=HEALTHY.keys())
def test_a_healthy_image_gets_no_finding(image: bytes, tmp_path: Path, render: Render) -> None:
    path = raw_pdf(tmp_path / "a.pdf", _FULL, resources=_WITH_IMAGE, objects={6: image})

    rendering = render(path)

    assert rendering.png
    assert rendering.objections == ()


@pytest.mark.parametrize(("image", "reason"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_page_whose_large_image_is_damaged_is_failed(
    image: bytes, reason: str, tmp_path: Path, render: Render
) -> None:
    path = raw_pdf(tmp_path / "a.pdf", _FULL, resources=_WITH_IMAGE, objects={6: image})

    with pytest.raises(PageUnreadable, match=rf"{reason}.*; it covers \d+% of the page"):
        render(path)


@pytest.mark.parametrize(("image", "reason"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_page_whose_small_image_is_damaged_is_sent_with_a_finding(
    image: bytes, reason: str, tmp_path: Path, render: Render
) -> None:
    path = raw_pdf(tmp_path / "a.pdf", _SMALL, resources=_WITH_IMAGE, objects={6: image})

    rendering = render(path)

    assert rendering.png
    assert len(rendering.objections) == 1
    assert re.search(reason, rendering.objections[0])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_picture_in_the_alpha_channel_of_a_jpeg_2000_is_not_sent_as_a_black_page(
    mode: str, tmp_path: Path, render: Render
) -> None:
    picture, data = Image.new("LA", (200, 260), (0, 0)), io.BytesIO()
    picture.paste((0, 255), (20, 40, 180, 60))
    picture.convert(mode).save(data, "JPEG2000")
    image = stream(data.getvalue(), b"/Type /XObject /Subtype /Image /Width 200 /Height 260 /Filter /JPXDecode")
    contents = b"q 612 0 0 792 0 0 cm /Im1 Do Q 1 g BT /F1 8 Tf 72 20 Td (EXAMPLE-0001) Tj ET"
    path = raw_pdf(tmp_path / "a.pdf", contents, resources=_WITH_IMAGE, objects={6: image})

    with pytest.raises(PageUnreadable, match="came out black: its picture is in its alpha channel"):
        render(path)


def test_a_damaged_image_in_a_form_counts_with_its_size_on_the_page(tmp_path: Path, render: Render) -> None:
    inner = b"/Resources << /XObject << /Im1 6 0 R >> >>"
    objects = {
        6: stream(_DEFLATED[:9000], _IMAGE + _FLATE),
        7: deflated(b"q 612 0 0 600 0 0 cm /Im1 Do Q", _FORM + inner),
    }
    resources = b"<< /Font << /F1 5 0 R >> /XObject << /X1 7 0 R >> >>"
    large = raw_pdf(tmp_path / "large.pdf", TEXT + b" /X1 Do", resources=resources, objects=objects)
    small = raw_pdf(tmp_path / "small.pdf", TEXT + b" .1 0 0 .1 0 0 cm /X1 Do", resources=resources, objects=objects)

    with pytest.raises(PageUnreadable, match="it covers 76% of the page"):
        render(large)
    assert "image Im1 (FlateDecode) is damaged" in render(small).objections[0]


_TWO_LINES = TEXT + b"\nBT /F1 18 Tf 72 640 Td (due in thirty days) Tj ET"

FOUND = {
    "contents cut off": (
        {"objects": {4: stream(zlib.compress(_TWO_LINES * 40, 9)[:-30], b"/Filter /FlateDecode")}},
        "the contents end early: its compressed data ends early",
    ),
    "contents that end in the middle of a string": (
        {"objects": {4: stream(_TWO_LINES[:-12])}},
        "the contents end early: a string is not closed",
    ),
    "contents that end before an operator": ({"contents": _TWO_LINES + b" 1 0 0"}, "the last operator is missing"),
    "one of two content streams that is not there": (
        {
            "objects": {
                3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 5 0 R >> >> "
                b"/Contents [4 0 R 6 0 R] >>",
                4: deflated(TEXT),
            }
        },
        "an object of them is not in the file",
    ),
    "binary bytes among the operators": (
        {"objects": {4: stream(_TWO_LINES[:70] + b"\x91\xfe\x03\xa0" + _TWO_LINES[70:])}},
        "the contents are damaged at byte",
    ),
    "an operator that is none": ({"contents": TEXT + b" 1 w 0 0 m 9 9 l Z"}, "'Z' is no operator"),
    "an operator without its operands": ({"objects": {4: stream(TEXT + b" 5 l S")}}, "l with 1 operands, not 2"),
    "a font that is missing": (
        {"contents": TEXT.replace(b"/F1", b"/F7")},
        "font F7 is missing",
    ),
    "a graphics state that is missing": ({"contents": b"/G3 gs " + TEXT}, "graphics state G3 is missing"),
    "a font file cut off": (
        {
            "contents": TEXT,
            "objects": {
                5: b"<< /Type /Font /Subtype /TrueType /BaseFont /ABCDEF+Some /FirstChar 32 /LastChar 33 /Widths [9 9] "
                b"/Encoding /WinAnsiEncoding /FontDescriptor 6 0 R >>",
                6: b"<< /Type /FontDescriptor /FontName /ABCDEF+Some /Flags 32 /FontFile2 7 0 R >>",
                7: stream(zlib.compress(_noise())[:5000], b"/Filter /FlateDecode"),
            },
        },
        "font F1 is damaged: its compressed data ends early",
    ),
    "a subset without its font file": (
        {
            "contents": TEXT,
            "objects": {5: b"<< /Type /Font /Subtype /TrueType /BaseFont /ABCDEF+Some /Encoding /WinAnsiEncoding >>"},
        },
        "is a subset, and its file is missing",
    ),
    "a font with a damaged name": (
        {"contents": TEXT, "objects": {5: HELVETICA.replace(b"Helvetica", b"Hehvetica")}},
        "font F1 has a damaged name: Hehvetica",
    ),
    "an unknown encoding": (
        {"contents": TEXT, "objects": {5: HELVETICA.replace(b"WinAnsi", b"WinAnsj")}},
        "font F1 has an unknown encoding",
    ),
    "a damaged key": ({"contents": TEXT, "page": b"/Annnts [6 0 R]"}, "entry /Annnts is a damaged /Annots"),
    "a page without a box": (
        {
            "objects": {
                3: b"<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>",
                4: deflated(TEXT),
            }
        },
        "MediaBox",
    ),
    "a stamp without an appearance": (
        {
            "contents": TEXT,
            "page": b"/Annots [6 0 R]",
            "objects": {6: b"<< /Type /Annot /Subtype /Stamp /Rect [72 600 500 700] /Contents (PAID) >>"},
        },
        "annotation Stamp 'PAID' has no appearance",
    ),
    "a stamp whose appearance is cut off": (
        {
            "contents": TEXT,
            "page": b"/Annots [6 0 R]",
            "objects": {
                6: b"<< /Type /Annot /Subtype /Stamp /Rect [72 600 500 700] /Contents (PAID) /AP << /N 7 0 R >> >>",
                7: stream(zlib.compress(_TWO_LINES * 9)[:-20], _FORM + b"/Filter /FlateDecode"),
            },
        },
        "annotation Stamp 'PAID' is damaged: its compressed data ends early",
    ),
    "a pattern that is missing": (
        {"contents": TEXT + b" /Pattern cs /P1 scn 0 0 99 99 re f"},
        "pattern P1 is missing",
    ),
}


@pytest.mark.parametrize(("case", "finding"), FOUND.values(), ids=FOUND.keys())
def test_a_damaged_part_is_a_finding(case: dict[str, object], finding: str, tmp_path: Path, render: Render) -> None:
    rendering = render(raw_pdf(tmp_path / "a.pdf", **case))  # type: ignore[arg-type]

    assert rendering.png
    assert any(finding in said for said in rendering.objections), rendering.objections


def test_text_that_is_taken_from_a_damaged_page_has_the_same_findings(tmp_path: Path, render: Render) -> None:
    path = raw_pdf(tmp_path / "a.pdf", b"/G3 gs " + TEXT.replace(b"4711", b"4711, of the Miller Works"))

    rendering = render(path, options=RenderOptions(prefer_text=True))

    assert rendering.text
    assert rendering.objections == ("graphics state G3 is missing",)


def test_an_entry_of_the_cross_reference_table_that_leads_astray_is_a_finding(tmp_path: Path, render: Render) -> None:
    path = raw_pdf(tmp_path / "a.pdf", TEXT)
    good = path.read_bytes()
    table = good.index(b"xref\n")
    path.write_bytes(good[:table] + good[table:].replace(b"00000 n \n", b"00000 n \n", 1))
    assert render(path).objections == ()

    rows = good[table:].split(b"\n")
    rows[6] = b"%010d 00000 n " % (int(rows[6][:10]) + 7)  # of the contents
    path.write_bytes(good[:table] + b"\n".join(rows))

    with pytest.raises(PageUnreadable, match="came out empty although it is damaged: the file is damaged"):
        render(path)


def test_lengths_that_lie_are_no_damage_where_the_data_is_whole(tmp_path: Path, render: Render) -> None:
    for length in (0, 5, 99999):
        objects = {4: stream(zlib.compress(_TWO_LINES), b"/Filter /FlateDecode", length=length)}
        assert render(raw_pdf(tmp_path / f"{length}.pdf", objects=objects)).objections == ()


def test_each_kind_of_annotation_is_drawn_or_named(tmp_path: Path, render: Render) -> None:
    kinds = (
        "Circle FreeText Highlight Ink Square Squiggly StrikeOut Text Underline Stamp Line Polygon PolyLine Watermark"
    )
    points = b"/L [80 620 480 680] /Vertices [80 620 480 680 300 610] /InkList [[80 620 480 680]]"
    for kind in kinds.split():
        entries = b"/QuadPoints [72 700 500 700 72 600 500 600] /C [1 0 0] /Contents (PAID) /DA (/Helv 14 Tf 0 g)"
        annotation = b"<< /Type /Annot /Subtype /%s /Rect [72 600 500 700] %s %s >>" % (kind.encode(), entries, points)
        path = raw_pdf(tmp_path / f"{kind}.pdf", page=b"/Annots [6 0 R]", objects={6: annotation})
        if f"/{kind}" in NOT_RENDERED:
            with pytest.raises(PageUnreadable, match=f"annotation {kind} 'PAID' has no appearance"):
                render(path)
        else:
            assert render(path).png, kind
            assert render(path).objections == ()


def test_entries_of_the_wrong_kind_cost_a_finding_and_no_page(tmp_path: Path, render: Render) -> None:
    annotation = b"<< /Type /Annot /Subtype /Stamp /F /Print /Rect [72 600 500 700] >>"
    odd = {
        "flags": raw_pdf(tmp_path / "1.pdf", TEXT, page=b"/Annots [6 0 R]", objects={6: annotation}),
        "filter": raw_pdf(tmp_path / "2.pdf", objects={4: stream(TEXT, b"/Filter 7")}),
        "resources": raw_pdf(tmp_path / "3.pdf", TEXT, resources=b"<< /Font << /F1 5 0 R >> /XObject 9 >>"),
        "box": raw_pdf(tmp_path / "4.pdf", TEXT, box=b"[0 0 (a) 792]"),
    }

    said = {name: render(path).objections for name, path in odd.items()}

    assert said["flags"] == ("the file is damaged: an entry has a value that it cannot have (TypeError)",)
    assert said["filter"]
    assert said["resources"] == ()


def test_zeroed_bytes_in_streams_are_data_and_in_objects_damage(tmp_path: Path, render: Render) -> None:
    white = stream(b"\xff" * 26000 + bytes(26000), _IMAGE)
    healthy = raw_pdf(tmp_path / "a.pdf", _SMALL, resources=_WITH_IMAGE, objects={6: white})
    zeroed = raw_pdf(
        tmp_path / "b.pdf", _SMALL, resources=_WITH_IMAGE, objects={6: white, 7: b"<< /Some (key) %s >>" % bytes(16)}
    )

    assert render(healthy).objections == ()
    assert render(zeroed).objections == ("the file is damaged: object 7: bytes of it are zeroed",)


def test_the_walk_ends_where_forms_draw_each_other(tmp_path: Path) -> None:
    resources = b"<< /Font << /F1 5 0 R >> /XObject << /X1 6 0 R /X2 7 0 R >> >>"
    objects = {number: deflated(b"/X1 Do /X2 Do /X9 Do", _FORM) for number in (6, 7)}
    path = raw_pdf(tmp_path / "a.pdf", b"/X1 Do", resources=resources, objects=objects)

    with PdfFile.opened(path) as file, SecondReader(file) as reader:  # not rendered: PDFium draws them 2^30 times
        page = reader.page(1)
        assert page is not None
        assert damage_of(reader, page).findings == ["object X9 is missing"]


def test_the_objects_of_an_encrypted_file_are_read(tmp_path: Path, render: Render) -> None:
    path = raw_pdf(tmp_path / "a.pdf", _FULL, resources=_WITH_IMAGE, objects={6: HEALTHY["Flate"]})
    with pikepdf.open(path, allow_overwriting_input=True) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(owner="owner", user=""))

    rendering = render(path)

    assert rendering.png
    assert rendering.objections == ()


def test_faulty_inputs_have_their_right_values(faulty: Path, render: Render) -> None:
    def becomes(name: str, number: int) -> str:
        try:
            rendering = render(faulty / name, number)
        except PageUnreadable as error:
            return f"failed: {error}"
        return "blank" if rendering.blank else "; ".join(("ok", *rendering.objections))

    assert becomes("b8-image-object-missing.pdf", 1) == "ok"
    assert "object Im0 is missing" in becomes("b8-image-object-missing.pdf", 2)

    contents = {number: becomes("b9-damaged-contents.pdf", number) for number in range(1, 11)}
    assert {number for number, said in contents.items() if said.startswith("failed")} == {3, 8, 9}
    assert {number for number, said in contents.items() if said.startswith("ok; the contents end early")} == {2, 4}
    assert {number for number, said in contents.items() if said == "ok"} == {1, 5, 6, 7}
    assert contents[10] == "blank"

    assert "filter BrotliDecode" in becomes("brotli-contents.pdf", 1)
    assert becomes("brotli-contents.pdf", 2) == "ok"

    scans = {number: becomes("c12-damaged-image-with-bates-stamp.pdf", number) for number in range(1, 10)}
    assert [number for number, said in scans.items() if said == "ok"] == [1]
    for number, name in {2: "JPX", 3: "JBIG2", 4: "DCT", 5: "DCT", 6: "Zstd", 7: "Flate", 8: "DCT"}.items():
        assert f"({name}Decode)" in scans[number]
    assert "object Im0 is missing" in scans[9]

    assert [becomes("a1-stamp-without-appearance.pdf", number) for number in (1, 2)] == ["ok", "ok"]
    assert "annotation Stamp 'APPROVED' has no appearance" in becomes("a1-stamp-without-appearance.pdf", 3)
    assert [becomes("h-layers.pdf", number) for number in (1, 2, 3)] == ["ok", "blank", "ok"]


@pytest.mark.parametrize(
    ("good", "damaged", "finding"),
    [
        (b"/FT /Tx", b"/\x06T /Tx", r"has an entry /\x06T is a damaged /FT"),
        (b"/FT /Tx", b"/FT /T8", "has no known type"),
        (b"/FT /Tx /P", b"/FT /Tx`/P", "has no known type"),
        (b"11 Tf", b"11 Vf", "does not say which font its value has"),
        (b"/DA (", b"/D\xc1 (", "does not say which font its value has"),
        (b"/Subtype /Widget", b"/Subtype /WidGet", "is of no kind that PDF has"),
        (b"/T (Full name)", b"/D (Full name)", "has no name"),
        (b"/V (Rosalind", b"/W (Rosalind", "has an entry /W is a damaged /V"),
        (b"/BaseFont /Helvetica", b"/BqseFont /Helvetica", "is in a font that has an entry /BqseFont is a damaged"),
        (b"/BaseFont /Helvetica", b"/BaseFont /Hehvetica", "is in a font that has a damaged name: Hehvetica"),
    ],
)
def test_what_a_form_field_needs_to_show_its_value_is_a_finding_where_it_is_damaged(
    good: bytes, damaged: bytes, finding: str, tmp_path: Path, render: Render
) -> None:
    form = (Path(__file__).parents[1] / "samples/form-filled.pdf").read_bytes()
    assert good in form
    path = tmp_path / "a.pdf"
    path.write_bytes(form.replace(good, damaged))

    assert any(finding in said for said in render(path).objections), render(path).objections


def test_a_damaged_page_that_the_second_reader_leaves_out_is_a_finding_on_every_page(
    samples: Path, tmp_path: Path, render: Render
) -> None:
    good = (samples / "rotated-page.pdf").read_bytes()
    path = tmp_path / "a.pdf"
    path.write_bytes(good.replace(b">> /Rotate 90", b">? /Rotate 90"))

    for number in (1, 2):  # of PDFium; to the second reader the second page is the first
        assert "a second reader cannot open this page" in render(path, number).objections[0]
