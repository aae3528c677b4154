"""A white page is blank with proof, and failed without."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from pagemill.domain.pages.model import Rendering
from pagemill.errors import PageUnreadable
from tests.raw_pdf import TEXT, deflated, raw_pdf, stream

Render = Callable[..., Rendering]

_FORM = b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] "
_ONE_OBJECT = b"<< /XObject << /X1 6 0 R >> /Font << /F1 5 0 R >> >>"
_LAYERED = b"<< /Font << /F1 5 0 R >> /Properties << /L 6 0 R >> /XObject << /X1 7 0 R >> >>"
_LAYER_OFF = b"/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>"
_LAYER = b"<< /Type /OCG /Name (Draft) >>"


def _jpeg(colour: int) -> bytes:
    data = io.BytesIO()
    Image.new("L", (64, 64), colour).save(data, "JPEG")
    return data.getvalue()


_GREY_IMAGE = b"/Type /XObject /Subtype /Image /ColorSpace /DeviceGray /BitsPerComponent 8 /Width 64 /Height 64 "

BLANK = {
    "no contents at all": {"objects": {3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << >> >>"}},
    "empty contents": {"contents": b""},
    "white text": {"contents": b"1 1 1 rg " + TEXT},
    "white text, stroked and filled": {"contents": b"1 g 1 G BT 2 Tr /F1 18 Tf 72 700 Td (DRAFT) Tj ET"},
    "white text in CMYK": {"contents": b"0 0 0 0 k " + TEXT},
    "white in a named colour space": {
        "contents": b"/C cs 1 1 1 scn " + TEXT,
        "resources": b"<< /Font << /F1 5 0 R >> /ColorSpace << /C /DeviceRGB >> >>",
    },
    "text clipped away": {"contents": b"q 0 0 1 1 re W n " + TEXT + b" Q"},
    "crop marks outside the crop box": {"contents": b"10 30 m 25 30 l S", "page": b"/CropBox [40 40 572 752]"},
    "text below the page": {"contents": b"BT /F1 12 Tf 72 -300 Td (cut off) Tj ET"},
    "alpha 0": {
        "contents": b"/G gs " + TEXT,
        "resources": b"<< /Font << /F1 5 0 R >> /ExtGState << /G << /ca 0 /CA 0 >> >> >>",
    },
    "invisible text": {"contents": b"BT 3 Tr /F1 18 Tf 72 700 Td (an earlier OCR) Tj ET"},
    "spaces": {"contents": b"BT /F1 18 Tf 72 700 Td (   ) Tj [( ) -200 (  )] TJ ET"},
    "a layer that is off": {
        "contents": b"/OC /L BDC " + TEXT + b" EMC",
        "resources": _LAYERED, "catalog": _LAYER_OFF, "objects": {6: _LAYER},
    },
    "nested marked content in a layer that is off": {
        "contents": b"/OC /L BDC /Span << /Lang (en) >> BDC " + TEXT + b" EMC EMC",
        "resources": _LAYERED, "catalog": _LAYER_OFF, "objects": {6: _LAYER},
    },
    "a group of layers that are off": {
        "contents": b"/OC /L BDC " + TEXT + b" EMC",
        "resources": _LAYERED,
        "catalog": b"/OCProperties << /OCGs [8 0 R] /D << /BaseState /OFF >> >>",
        "objects": {6: b"<< /Type /OCMD /OCGs [8 0 R] /P /AnyOn >>", 8: _LAYER},
    },
    "a form of a layer that is off": {
        "contents": b"/X1 Do",
        "resources": _LAYERED, "catalog": _LAYER_OFF,
        "objects": {6: _LAYER, 7: deflated(TEXT, _FORM + b"/OC 6 0 R")},
    },
    "white text in a form": {
        "contents": b"/X1 Do", "resources": _ONE_OBJECT, "objects": {6: deflated(b"1 g " + TEXT, _FORM)},
    },
    "a form outside its box": {
        "contents": b"/X1 Do",
        "resources": _ONE_OBJECT,
        "objects": {6: deflated(TEXT, b"/Type /XObject /Subtype /Form /BBox [0 0 10 10] ")},
    },
    "text under a white rectangle": {"contents": TEXT + b" 1 g 0 0 612 792 re f"},
    "text under a white scan": {
        "contents": TEXT + b" q 612 0 0 792 0 0 cm /X1 Do Q",
        "resources": _ONE_OBJECT,
        "objects": {6: deflated(b"\xff" * 64 * 64, _GREY_IMAGE)},
    },
    "a white JPEG": {
        "contents": b"q 612 0 0 792 0 0 cm /X1 Do Q",
        "resources": _ONE_OBJECT,
        "objects": {6: stream(_jpeg(255), _GREY_IMAGE + b"/Filter /DCTDecode")},
    },
    "a white inline image": {
        "contents": b"q 600 0 0 700 0 0 cm BI /W 4 /H 4 /BPC 8 /CS /G ID " + b"\xff" * 16 + b" EI Q"
    },
    "a hidden annotation": {
        "page": b"/Annots [6 0 R]",
        "objects": {6: b"<< /Type /Annot /Subtype /Stamp /F 2 /Rect [72 600 500 700] /Contents (PAID) >>"},
    },
    "a link": {
        "page": b"/Annots [6 0 R]",
        "objects": {6: b"<< /Type /Annot /Subtype /Link /Rect [72 600 500 700] /Border [0 0 0] >>"},
    },
    "a form field without a value": {
        "page": b"/Annots [6 0 R]",
        "objects": {6: b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /Rect [72 600 500 700] >>"},
    },
}  # fmt: skip


@pytest.mark.parametrize("case", BLANK.values(), ids=BLANK.keys())
def test_a_page_on_which_nothing_can_leave_a_mark_is_blank(
    case: dict[str, object], tmp_path: Path, render: Render
) -> None:
    rendering = render(raw_pdf(tmp_path / "a.pdf", **case))  # type: ignore[arg-type]

    assert rendering.blank
    assert not rendering.objections


_TORN = b"\xff\xff\xff" + zlib.compress(TEXT, 9)[3:]

FAILED = {
    "contents damaged from the start": ({"objects": {4: stream(_TORN, b"/Filter /FlateDecode")}}, "contents end early"),
    "contents that are not in the file": ({"objects": {4: b""}}, "contents end early"),
    "contents that are a dictionary": ({"objects": {4: b"<< /Length 12 >>"}}, "contents end early"),
    "contents in a filter nobody knows": (
        {"objects": {4: stream(b"abc", b"/Filter /BrotliDecode")}},
        "filter BrotliDecode",
    ),
    "contents under a damaged key": (
        {
            "objects": {
                3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << >> /Contdnts 4 0 R >>",
                4: deflated(b"0 0 99 99 re f"),
            }
        },
        "/Contdnts is a damaged /Contents",
    ),
    "contents that are zeroed": (
        {
            "objects": {
                3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << >> %s >>" % bytes(15),
                4: deflated(b"0 0 99 99 re f"),
            }
        },
        "zeroed",
    ),
    "contents that are no operators": ({"objects": {4: stream(bytes(range(128, 200)))}}, "contents are damaged"),
    "LZW garbage": ({"objects": {4: stream(b"\x7f\x01\x99\x80" * 70, b"/Filter /LZWDecode")}}, "damaged|early"),
    "an image that is not in the file": (
        {"contents": b"q 600 0 0 780 0 0 cm /X1 Do Q", "resources": _ONE_OBJECT},
        "object X1 is missing",
    ),
    "a form that is not in the resources": ({"contents": b"/X9 Do"}, "object X9 is missing"),
    "a form that is damaged": (
        {
            "contents": b"/X1 Do",
            "resources": _ONE_OBJECT,
            "objects": {6: stream(_TORN, _FORM + b"/Filter /FlateDecode")},
        },
        "object X1 is damaged",
    ),
    "a form in a form that is damaged": (
        {
            "contents": b"/X1 Do",
            "resources": _ONE_OBJECT,
            "objects": {
                6: deflated(b"/X2 Do", _FORM + b"/Resources << /XObject << /X2 7 0 R >> >>"),
                7: stream(_TORN, _FORM + b"/Filter /FlateDecode"),
            },
        },
        "object X2 is damaged",
    ),
    "an inline JPEG that is damaged": (
        {"contents": b"q 600 0 0 780 0 0 cm BI /W 600 /H 780 /BPC 8 /CS /G /F /DCT ID " + b"\x12" * 500 + b" EI Q"},
        "inline image",
    ),
    "a stamp whose appearance is not in the file": (
        {
            "page": b"/Annots [6 0 R]",
            "objects": {6: b"<< /Type /Annot /Subtype /Stamp /Rect [72 600 500 700] /AP << /N 9 0 R >> >>"},
        },
        "annotation Stamp .* has no appearance",
    ),
    "a stamp without an appearance": (
        {
            "page": b"/Annots [6 0 R]",
            "objects": {6: b"<< /Type /Annot /Subtype /Stamp /Rect [72 600 500 700] /Contents (PAID) >>"},
        },
        "annotation Stamp 'PAID' has no appearance",
    ),
    "an annotation that is not in the file": ({"page": b"/Annots [9 0 R]"}, "an annotation is missing"),
    "a Type 3 font without glyphs": (
        {
            "contents": TEXT,
            "objects": {
                5: b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [0.001 0 0 0.001 0 0] "
                b"/CharProcs << >> /Encoding << /Differences [0] >> /FirstChar 0 /LastChar 255 /Widths [] >>"
            },
        },
        "font F1 has no glyphs",
    ),
    "a Type 3 font that lacks the glyphs in use": (
        {
            "contents": TEXT,
            "objects": {
                5: b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [0.001 0 0 0.001 0 0] "
                b"/CharProcs << /other 6 0 R >> /Encoding << /Differences [33 /other] >> /FirstChar 33 /LastChar 33 "
                b"/Widths [500] /Resources << >> >>",
                6: deflated(b"500 0 d0 0 0 400 400 re f"),
            },
        },
        "text",
    ),
    "a resource under a damaged key": (
        {"contents": b"/X1 Do", "resources": b"<< /XObjdct << /X1 6 0 R >> >>", "objects": {6: deflated(TEXT, _FORM)}},
        "object X1 is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("case", "reason"), FAILED.values(), ids=FAILED.keys())
def test_a_white_page_without_proof_is_failed(
    case: dict[str, object], reason: str, tmp_path: Path, render: Render
) -> None:
    path = raw_pdf(tmp_path / "a.pdf", **case)  # type: ignore[arg-type]

    with pytest.raises(PageUnreadable, match=f"the page came out empty .*({reason})"):
        render(path)
