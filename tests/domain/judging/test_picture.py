"""What a picture can hold."""

from __future__ import annotations

from pagemill.domain.judging.findings import Signal
from pagemill.domain.judging.picture import ink_finding, regions_finding, resolution_finding

INVENTED = "The committee met on Tuesday and approved the minutes of the last meeting without a vote. " * 20


def test_a_page_of_text_on_dust_is_invented_and_on_a_stamp_perhaps() -> None:
    dust, stamp = ink_finding(INVENTED, 800), ink_finding(INVENTED, 8_000)

    assert dust
    assert dust.signal is Signal.INVENTED
    assert stamp
    assert stamp.signal is Signal.LITTLE_INK


def test_small_print_has_ink_enough() -> None:
    assert ink_finding(INVENTED, 15 * len(INVENTED)) is None


def test_a_page_number_and_markup_need_no_ink() -> None:
    assert ink_finding("- 12 -", 30) is None
    assert ink_finding('<table class="wide"><tr><td colspan="3"></td></tr></table>\n' * 20, 30) is None
    assert ink_finding(INVENTED, None) is None


def test_a_text_where_a_detector_sees_none_is_invented() -> None:
    assert regions_finding("Some text", 0)
    assert regions_finding("Some text", 1) is None
    assert regions_finding("Some text", None) is None
    assert regions_finding("![image](image_1.png)", 0) is None


def test_a_page_of_text_is_not_believed_where_the_witness_finds_a_mark_or_two() -> None:
    page = "The river was higher than in any year before. " * 40

    assert regions_finding(page, 2)
    assert regions_finding(page, 30) is None
    assert regions_finding("a line of a hundred letters " * 5, 1) is None


def test_below_80_dpi_small_print_may_be_invented() -> None:
    assert resolution_finding(79.9)
    assert resolution_finding(80) is None
    assert resolution_finding(None) is None
