"""Text of another page at the end of a transcript."""

from __future__ import annotations

from pagemill.domain.judging.neighbours import neighbour_finding


def _page(name: str, words: int = 200) -> str:
    return " ".join(f"{name}{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(words))


ONE, OTHER, THIRD = _page("one"), _page("other"), _page("third")
FOOT = "This document is confidential and may not be passed on to anybody without the consent of its author. "


def test_a_tail_that_stands_on_one_other_page_is_found() -> None:
    tail = " ".join(OTHER.split()[60:100])

    finding = neighbour_finding(f"{ONE}\n\n{tail}", "", (THIRD, OTHER))

    assert finding
    assert finding.measure == 40


def test_a_tail_behind_which_the_page_has_its_own_number_is_found() -> None:
    assert neighbour_finding(f"{ONE} {OTHER[:300]} page 12", "", (OTHER,))


def test_the_whole_text_of_another_page_is_found() -> None:
    assert neighbour_finding(OTHER, "", (THIRD, OTHER))


def test_a_foot_that_pages_share_is_theirs() -> None:
    assert neighbour_finding(f"{ONE} {FOOT}", "", (f"{OTHER} {FOOT}", THIRD)) is None
    assert neighbour_finding(f"{ONE} {FOOT}", "", (f"{FOOT} {OTHER}", f"{FOOT} {THIRD}")) is None


def test_what_one_of_the_pages_says_more_than_once_is_no_tail_of_the_other() -> None:
    said = " ".join(THIRD.split()[:25])

    assert neighbour_finding(f"{ONE} {said}", "", (f"{said} {OTHER}",))
    assert neighbour_finding(f"{ONE} {said}", "", (f"{said} {OTHER[:200]} {said} {OTHER[200:]}",)) is None
    assert neighbour_finding(f"{said} {ONE} {said}", "", (f"{said} {OTHER}",)) is None


def test_what_the_page_has_itself_is_its_own() -> None:
    assert neighbour_finding(f"{ONE} {OTHER[:300]}", f"{ONE} {OTHER[:300]}", (OTHER,)) is None


def test_pages_of_few_words_are_not_compared() -> None:
    assert neighbour_finding("Page 12", "", ("Page 12", OTHER)) is None
    assert neighbour_finding(ONE, "", ()) is None
