"""Answers that ended before their page did."""

from __future__ import annotations

import pytest

from pagemill.domain.judging.endings import ending_finding


@pytest.mark.parametrize(
    "text",
    [
        "Results\n\n```plaintext\nA  B  C\n1  2  3",
        "```\nint main(void) {\n",
        "one\n```sh\nls\n```\ntwo\n```sh\nls",
        "<table><tr><td>1</td></tr>",
        "<table><tr><td>1</td></tr></table>\n<TABLE border=1><tr><td>",
        "| Name | Year |\n| --- | --- |\n| Ada | 1815 |\n| Grace | 19",
    ],
)
def test_a_text_that_ends_within_code_or_a_table_is_cut_off_although_the_endpoint_says_stop(text: str) -> None:
    assert ending_finding(text, "stop", "")


@pytest.mark.parametrize(
    "text",
    [
        "```sh\nls\n```",
        "plaintext\nA B C\n```\n",
        "<table><tr><td>1</td></tr></table>",
        "<table><tr><td><table></table></td></tr></table>",
        "| Name | Year |\n| --- | --- |\n| Ada | 1815 |",
        "| a line of a poem\n| and another",
        "|x|",
        "Exceptions\n~~~~~~~~~~\n\nThis module has all of them.",
        "the tag <tablet> is none",
        "",
    ],
)
def test_a_text_that_closes_what_it_opens_is_complete(text: str) -> None:
    assert ending_finding(text, "stop", "") is None


def test_fences_and_tags_that_stand_on_the_page_are_text() -> None:
    assert ending_finding("Begin with\n```html\nand end", "stop", "Begin with ```html and end") is None
    assert ending_finding("Write <table> first.", "stop", "Write <table> first.") is None
