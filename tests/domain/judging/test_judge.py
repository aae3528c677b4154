"""One transcript, judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.judging.findings import SUSPECT_BELOW, WEIGHTS, Finding, Judgement, Signal
from pagemill.domain.judging.judge import Evidence, judge
from pagemill.domain.judging.letters import DocumentLetters
from pagemill.domain.pages.model import Transcript

PROSE = "\n".join(
    f"Paragraph {number} of the report speaks of matter{number} and of reason{number}." for number in range(40)
)


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


@pytest.mark.parametrize("signal", Signal)
def test_every_signal_has_a_weight_and_alone_makes_a_suspect_unless_what_was_wrong_is_removed(signal: Signal) -> None:
    judgement = Judgement("text", (Finding(signal, 1, "words"),))

    assert judgement.refused == WEIGHTS[signal].hard
    assert judgement.suspect == (signal is not Signal.CONTROLS)


def test_the_less_a_text_agrees_with_its_layer_the_lower_is_its_score() -> None:
    half, most = (judge(_transcript(PROSE[:length]), Evidence(layer=PROSE)) for length in (1000, 2300))

    assert half.score < most.score < SUSPECT_BELOW
    assert judge(_transcript(PROSE), Evidence(layer=PROSE)).score == 1


def test_where_the_layer_agrees_nothing_else_of_the_page_is_asked() -> None:
    doubtful = Evidence(dpi=40, ink_share=0.0, area_px=10**6, regions=0)

    assert judge(_transcript(PROSE), doubtful).refused
    assert not judge(_transcript(PROSE), Evidence(40, 0.0, 10**6, PROSE, 0)).findings


def test_what_is_never_text_is_removed_and_said() -> None:
    judgement = judge(_transcript("a\0b\x1b[31m\ud800\ufeff\tc\r\n"), Evidence())

    assert judgement.text == "ab[31m\tc\r\n"
    assert [finding.words for finding in judgement.findings] == ["4 control characters or lone surrogates removed"]
    assert not judgement.suspect


def test_a_text_of_control_characters_alone_is_empty() -> None:
    assert Signal.EMPTY in {finding.signal for finding in judge(_transcript("\0\0\0"), Evidence()).findings}


def test_a_piece_is_not_held_against_what_was_measured_of_the_whole_page() -> None:
    page = Evidence(40, 0.0, 10**6, PROSE, 0, "", (PROSE,))

    assert not judge(_transcript("Another piece says something else, in words of its own."), page.of_part()).findings


_LETTERS = DocumentLetters()
for _ in range(12):
    _LETTERS.add(PROSE)
_ODD = st.text(st.sampled_from("ab <>/td|`-\n\\$&;![]()#*本ขाש\ud800\0\ufeff1,.{}")) | st.text()


@given(_ODD, st.sampled_from(["stop", "length"]), _ODD, st.lists(_ODD, max_size=2), st.integers(1, 80))
def test_no_text_and_no_layer_breaks_the_judge(
    text: str, reason: str, layer: str, others: list[str], times: int
) -> None:
    evidence = Evidence(75, 0.001, 10**6, layer * times, None, text[:20], tuple(others), _LETTERS)

    judgement = judge(_transcript(text * times, reason), evidence)

    assert 0 <= judgement.score <= 1
    assert judgement.refused or judgement.text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "<" * 10**6,
        "<a " * 40_000,
        "本" * 10**6,
        "\u05d0 " * 60_000,
        "![" * 60_000,
        "<table>" + "<tr><td>7</td></tr>" * 5_000,
        "```\n" * 30_000,
        "| a " * 30_000,
        "Note: the " * 12_000,
        "a-\n" * 40_000,
        "&#" * 60_000,
        "$" + "=" * 100_000,
        "\\[" * 60_000,
    ],
    ids=lambda text: text[:12].strip(),
)
def test_long_texts_of_anything_are_judged(text: str) -> None:
    for layer in (text[:65_536], PROSE):
        assert 0 <= judge(_transcript(text), Evidence(100, 0.1, 10**6, layer, 3, "", (text,))).score <= 1
