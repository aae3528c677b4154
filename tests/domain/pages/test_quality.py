from __future__ import annotations

import pytest

from pagemill.domain.pages.model import Transcript
from pagemill.domain.pages.quality import objections, text_layer_is_usable


def _transcript(markdown: str = "text", finish_reason: str = "stop") -> Transcript:
    return Transcript(markdown, finish_reason, 10, 10, 0.1)


def test_a_finished_text_raises_no_objection() -> None:
    assert objections(_transcript()) == ()


@pytest.mark.parametrize("reason", ["length", "repetition", "abort", "error", ""])
def test_every_finish_reason_but_stop_is_named(reason: str) -> None:
    (objection,) = objections(_transcript(finish_reason=reason))

    assert f"'{reason}'" in objection


@pytest.mark.parametrize("markdown", ["", " \n\t"])
def test_an_empty_text_of_a_page_with_ink_is_an_objection(markdown: str) -> None:
    assert objections(_transcript(markdown)) == ("empty although the page has ink",)


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("The quick brown fox jumps over the lazy dog", True),
        ("Seite 3 von 9", False),  # a page number over a scan
        ("", False),
        ("\ufffd\ue000\ue001\x02" * 20, False),  # a broken character map
        ("Die Größe, très élevée: 漢字漢字 и русский", True),
    ],
)
def test_only_long_and_clean_embedded_text_replaces_a_page(text: str, *, usable: bool) -> None:
    assert text_layer_is_usable(text) is usable
