"""What a render worker answers is checked: one that a document has taken over can send anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pagemill.domain.pages.model import LONGEST_LAYER, CountedPdf, Picture, Piece, Rendering
from pagemill.pdf import messages, png
from pagemill.pdf.answers import expected_count, expected_rendering
from pagemill.pdf.page import CountPages, RenderOptions, RenderPage
from pagemill.pdf.pdf_file import PdfFile
from pagemill.workers import frames

_OPTIONS = RenderOptions(longest_edge_px=100, max_pieces=3)
_FILE, _COPY = PdfFile(Path("/a.pdf"), -1), PdfFile(Path("/copy.pdf"), -1)
_ASKED = RenderPage(_FILE, 3)


def _png(width: int, height: int) -> bytes:
    return png.encode(np.random.default_rng(1).integers(0, 2**32, (height, width), np.uint32))


_IMAGE = _png(90, 60)
_PIECES = (Piece(_png(90, 60)), Piece(_png(100, 50), 0.25, may_be_empty=False))
_PAGE = Rendering(
    3, 90, 60, _IMAGE, objections=("a finding",), dpi=132.5, ink_share=0.031, layer="a font\n", render_seconds=0.5
)
RENDERINGS = {
    "an image": _PAGE,
    "pieces": replace(_PAGE, png=None, width_px=100, height_px=250, pieces=_PIECES),
    "a text": Rendering(3, 0, 0, None, text="the text \U0001f600"),
    "a blank page": Rendering(3, 90, 60, None, blank=True, dpi=132.5),
}


def _sent(rendering: Rendering) -> tuple[dict[str, Any], Sequence[bytes]]:
    answer = messages.handler(lambda _: rendering)(
        frames.Message({"path": b"/a.pdf".hex(), "number": 3, "picture": {}}, files=[-1])
    )
    return dict(answer.values), answer.attachments


def _parsed(values: object, images: Sequence[bytes]) -> Rendering:
    expected = expected_rendering(_ASKED, _OPTIONS)
    return expected.parse(json.dumps(values).encode(), images)


@pytest.mark.parametrize("kind", RENDERINGS)
def test_a_rendering_crosses_as_it_is(kind: str) -> None:
    assert _parsed(*_sent(RENDERINGS[kind])) == RENDERINGS[kind]


def test_a_message_with_a_lone_surrogate_or_without_end_still_crosses() -> None:
    odd = replace(_PAGE, objections=("font \udc80", "x" * 10**6))

    first, second = _parsed(*_sent(odd)).objections

    assert first == "font \\udc80"
    assert len(second) == frames.LONGEST_MESSAGE


def test_the_largest_image_that_cannot_be_compressed_is_within_the_bounds() -> None:
    noise = _png(_OPTIONS.longest_edge_px, _OPTIONS.longest_edge_px)
    bounds = expected_rendering(_ASKED, _OPTIONS).bounds

    assert len(noise) <= bounds.attachment_bytes
    assert bounds.attachments == _OPTIONS.max_pieces


def test_two_halves_are_taken_where_a_page_may_not_be_cut_into_pieces_otherwise() -> None:
    options = replace(_OPTIONS, max_pieces=1)

    assert expected_rendering(_ASKED, options).bounds.attachments == 1
    assert expected_rendering(replace(_ASKED, picture=Picture(halves=True)), options).bounds.attachments == 2


@pytest.mark.parametrize("picture", [Picture(), Picture(1.4, halves=True), Picture(turned=270)], ids=str)
def test_the_picture_that_is_asked_for_crosses(picture: Picture) -> None:
    asked = replace(_ASKED, picture=picture)
    sent = messages.request_of(asked)
    received: list[Picture] = []

    def answer(found: RenderPage | CountPages) -> Rendering:
        assert isinstance(found, RenderPage)
        received.append(found.picture)
        return _PAGE

    messages.handler(answer)(frames.Message(json.loads(frames.head(sent.values)), files=sent.files))

    assert received == [picture]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"number": 4}, "page 4 instead of page 3"),
        ({"number": "3"}, "valid integer"),
        ({"number": 3.5}, "valid integer"),
        ({"width_px": 91}, "said to have 91 x 60"),
        ({"height_px": -1}, "greater than or equal"),
        ({"blank": True}, "not one of"),
        ({"text": "as well"}, "not one of"),
        ({"image": False}, "not one of"),
        ({"image": 1}, "valid boolean"),
        ({"image": False, "blank": True}, "1 images"),
        ({"objections": "a text"}, "valid array"),
        ({"objections": ["x" * (frames.LONGEST_MESSAGE + 1)]}, "at most 20000"),
        ({"objections": ["x"] * 1001}, "at most 1000"),
        ({"objections": [["nested"]]}, "valid string"),
        ({"render_seconds": float("nan")}, "finite|NaN"),
        ({"encode_seconds": -1.0}, "greater than or equal"),
        ({"dpi": float("inf")}, "finite|Infinity"),
        ({"ink_share": 1.5}, "less than or equal"),
        ({"layer": None}, "valid string"),
        ({"layer": "x" * (LONGEST_LAYER + 1)}, "at most 65536"),
        ({"pieces": [{"overlap": 0.1, "may_be_empty": True}]}, "not one of"),
        ({"image": False, "pieces": [{"overlap": 2, "may_be_empty": True}]}, "less than or equal"),
        ({"__reduce__": "os.system"}, "not permitted"),
    ],
    ids=str,
)
def test_values_that_no_worker_of_ours_sends_are_refused(change: dict[str, object], says: str) -> None:
    values, images = _sent(_PAGE)

    with pytest.raises(ValueError, match=says):
        _parsed({**values, **change}, images)


@pytest.mark.parametrize("values", [None, [], "page", 3, {}])
def test_heads_that_are_no_rendering_are_refused(values: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        _parsed(values, [_IMAGE])


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ([], "0 images"),
        ([_IMAGE, _IMAGE], "2 images"),
        ([b""], "no PNG"),
        ([b"GIF89a" + bytes(100)], "no PNG"),
        ([_IMAGE[:8] + b"\x00\x00\x00\x0dIDAT" + _IMAGE[16:]], "no PNG as workers write them"),
        ([_png(60, 90)], "an image of 60 x 90"),
        ([_png(101, 60)], "an image of 101 x 60"),
        ([_png(90, 59)], "said to have 90 x 60"),
        ([_IMAGE + bytes(20_000)], "bytes for an image of 90 x 60"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_images_other_than_those_that_were_asked_for_are_refused(images: list[bytes], says: str) -> None:
    values, _ = _sent(_PAGE)

    with pytest.raises(ValueError, match=says):
        _parsed(values, images)


def _counted(values: object, copy: PdfFile | None = _COPY) -> CountedPdf:
    return expected_count(CountPages(_FILE, copy)).parse(json.dumps(values).encode(), [])


def test_a_count_names_the_document_or_the_copy_that_the_parent_made() -> None:
    counted = {"pages": 2, "findings": ["a finding"]}

    assert _counted({**counted, "repaired": False}) == CountedPdf(_FILE.path, 2, ("a finding",))
    assert _counted({**counted, "repaired": True}) == CountedPdf(_COPY.path, 2, ("a finding",))


@pytest.mark.parametrize(
    "change",
    [{"pages": 0}, {"pages": -1}, {"pages": 2**40}, {"pages": True}, {"findings": "x"}, {"path": "/etc/shadow"}],
)
def test_counts_that_no_worker_of_ours_sends_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        _counted({"pages": 2, "findings": [], "repaired": False, **change})


def test_a_copy_for_which_there_was_no_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no file"):
        _counted({"pages": 2, "findings": [], "repaired": True}, copy=None)
