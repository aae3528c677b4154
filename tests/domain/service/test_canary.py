from __future__ import annotations

from pagemill.domain.pages.model import Transcript
from pagemill.domain.service.canary import CanaryPage, describe_failures, evaluate, unanswered

_PAGE = CanaryPage(
    "letter p. 1", b"", "Dear Dr Vellacott, thank you for your letter of 2 May about the long-case clock."
)


def _objections(markdown: str, *, finish_reason: str = "stop", seconds: float = 1.0) -> tuple[str, ...]:
    transcript = Transcript(markdown, finish_reason, 2000, 20, seconds)
    return evaluate(_PAGE, transcript, least_word_f1=0.8, longest_seconds=60.0).objections


def test_the_known_text_passes_with_any_markup() -> None:
    assert _objections(f"# {_PAGE.truth}") == ()
    assert _objections("**Dear Dr Vellacott**, thank you for<br>your letter of 2 May about the long-case clock.") == ()


def test_a_wrong_text_is_reported_with_both_texts() -> None:
    (objection,) = _objections("Invoice number 2031, to be paid within thirty days.")

    assert "Invoice number 2031" in objection
    assert "Dear Dr Vellacott" in objection


def test_a_loop_is_reported_even_if_the_model_stopped_by_itself() -> None:
    objections = _objections(f"{_PAGE.truth} {'of the clock ' * 100}")

    assert any("a loop" in objection for objection in objections)


def test_a_truncated_and_a_slow_answer_are_reported() -> None:
    assert "length" in _objections(_PAGE.truth, finish_reason="length")[0]
    assert "61.0 s" in _objections(_PAGE.truth, seconds=61.0)[0]


def test_the_message_names_each_page_that_failed_and_no_other() -> None:
    good = evaluate(_PAGE, Transcript(_PAGE.truth, "stop", 1, 1, 1.0), least_word_f1=0.8, longest_seconds=9.0)

    assert describe_failures([good]) == ""
    assert describe_failures([good, unanswered(CanaryPage("slide", b"", ""), "500 on order")]) == "slide: 500 on order"
