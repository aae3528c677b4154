from __future__ import annotations

import re

import pytest

from pagemill.domain.evaluation.truth import truth_of


def test_pages_are_cut_at_markers_whatever_their_order() -> None:
    found = truth_of("\n<!-- page 3 -->\n\nthree\n<!-- page 1 -->\n# one\n", markdown=True, page_count=3)

    assert {number: text.strip() for number, text in found.pages.items()} == {1: "# one", 3: "three"}


def test_a_page_that_failed_in_a_corrected_document_has_no_truth_and_a_blank_one_is_blank() -> None:
    text = "<!-- page 1 -->\n\n<!-- blank -->\n\n<!-- page 2 -->\n\n<!-- failed: cut off -->\n"

    found = truth_of(text, markdown=True, page_count=2)

    assert list(found.pages) == [1]


def test_pages_are_cut_at_form_feeds_also_after_the_last_one() -> None:
    assert truth_of("one\n\f\ntwo", markdown=False, page_count=2).pages == {1: "one\n", 2: "\ntwo"}
    assert len(truth_of("one\ftwo\f", markdown=False, page_count=2).pages) == 2
    assert len(truth_of("one\f\n\f", markdown=False, page_count=3).pages) == 3
    assert len(truth_of("one\f", markdown=False, page_count=1).pages) == 1


def test_a_text_without_marks_is_the_whole_document() -> None:
    assert truth_of("all of it", markdown=False, page_count=7).whole == "all of it"
    assert truth_of("all of it", markdown=False, page_count=1).pages == {1: "all of it"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty; if the page is blank, write: <!-- page 1 -->"),
        (" \n", "is empty"),
        ("a\n<!-- page 1 -->", "has a text before its first page marker"),
        ("<!-- page 0 -->", "pages count from 1"),
        ("<!-- page 2 -->\na\n<!-- page 2 -->\nb", "has page 2 twice"),
    ],
)
def test_a_truth_that_says_nothing_clear_is_refused_in_words(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        truth_of(text, markdown=True, page_count=1)
