"""One transcript, judged."""

from __future__ import annotations

import pytest

from pagemill.domain.judging.findings import Signal
from pagemill.domain.judging.judge import Evidence, judge
from pagemill.domain.pages.model import Transcript


def _transcript(markdown: str = "text", finish_reason: str = "stop") -> Transcript:
    return Transcript(markdown, finish_reason, 10, 10, 0.1)


def test_a_finished_text_has_no_finding_and_the_best_score() -> None:
    judgement = judge(_transcript(), Evidence())

    assert judgement.findings == ()
    assert not judgement.refused
    assert judgement.score == 1


@pytest.mark.parametrize("reason", ["length", "repetition", "abort", "error", ""])
def test_every_finish_reason_but_stop_is_named_and_refused(reason: str) -> None:
    judgement = judge(_transcript(finish_reason=reason), Evidence())

    (finding,) = judgement.findings
    assert finding.signal is Signal.CUT_OFF
    assert f"'{reason}'" in finding.words
    assert judgement.refused


@pytest.mark.parametrize("markdown", ["", " \n\t"])
def test_an_empty_text_of_a_page_with_ink_is_refused(markdown: str) -> None:
    judgement = judge(_transcript(markdown), Evidence())

    assert [finding.words for finding in judgement.findings] == ["empty although the page has ink"]
    assert judgement.refused
    assert judgement.score == 0
