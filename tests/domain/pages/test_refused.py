"""Refused texts as they are kept: bounded, and read back only as what they are."""

from __future__ import annotations

import json

import pytest

from pagemill.domain.pages.refused import LONGEST_TEXT_BYTES, Refusal, RefusedTexts, bounded, read_refused


def _refusal(text: str, rung: str = "first") -> Refusal:
    return Refusal(rung, ("loop",), "a loop: 'and the rain', 40 times", 0.0, 4096, text)


def test_what_is_kept_of_refused_texts_is_bounded_in_number_and_size() -> None:
    kept = bounded([_refusal("ä" * LONGEST_TEXT_BYTES), _refusal("\ud800 no character"), *map(_refusal, "abc")])

    assert [bool(refusal.text) for refusal in kept] == [True, True, True, False, False]
    assert len(kept[0].text.encode()) == LONGEST_TEXT_BYTES
    assert kept[1].text == "\\ud800 no character"
    assert all(refusal.reason for refusal in kept)


def test_refused_texts_that_were_written_are_read_back() -> None:
    texts = RefusedTexts(
        3, ended=True, context_tokens=8192, refusals=bounded([_refusal("Größe\n"), _refusal("", "halves")])
    )

    assert read_refused(texts.to_json().encode(), 3) == texts


@pytest.mark.parametrize(
    "change", [{"number": 4}, {"schema": 2}, {"ended": "yes"}, {"refusals": [{}]}, {"refusals": None}]
)
def test_a_record_of_another_page_or_a_damaged_one_counts_as_none(change: dict[str, object]) -> None:
    texts = RefusedTexts(3, ended=True, context_tokens=8192, refusals=bounded([_refusal("text")]))
    body = json.loads(texts.to_json())

    assert read_refused(json.dumps(body | change).encode(), 3) is None
    assert read_refused(b"{", 3) is None
