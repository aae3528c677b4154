"""The table of steps: each page of one image has at most four requests, whatever goes wrong with it."""

from __future__ import annotations

import itertools

import pytest

from pagemill.domain.judging import ladder
from pagemill.domain.judging.findings import WEIGHTS, Finding, Signal

_HARD = [signal for signal, weight in WEIGHTS.items() if weight.hard]


def _findings(*signals: Signal) -> list[Finding]:
    return [Finding(signal, 1.0, "") for signal in signals]


@pytest.mark.parametrize("signals", [set(found) for size in (1, 2) for found in itertools.combinations(_HARD, size)])
def test_no_page_takes_more_than_four_requests_and_none_is_tried_twice(signals: set[Signal]) -> None:
    tried, requests = {"first", "temperature"}, 2
    while rungs := ladder.pictures(signals, tried, requests=requests):
        assert rungs[0].name not in tried
        tried.add(rungs[0].name)
        requests += rungs[0].requests

    assert requests <= 4


@pytest.mark.parametrize(
    ("signals", "finish_reason", "may_be_longer", "rung"),
    [
        ([Signal.CUT_OFF], "length", True, ladder.MORE_TOKENS),
        ([Signal.CUT_OFF, Signal.LOW_DPI], "length", True, ladder.MORE_TOKENS),
        ([Signal.CUT_OFF], "length", False, ladder.TEMPERATURE),
        ([Signal.CUT_OFF], "abort", True, ladder.TEMPERATURE),
        ([Signal.CUT_OFF, Signal.LOOP], "length", True, ladder.TEMPERATURE),
        ([Signal.EMPTY], "stop", True, ladder.TEMPERATURE),
    ],
)
def test_only_a_plain_cut_off_gets_more_tokens(
    signals: list[Signal],
    finish_reason: str,
    may_be_longer: bool,  # noqa: FBT001 -- a parameter of the test
    rung: ladder.Rung,
) -> None:
    found = ladder.second(_findings(*signals), finish_reason=finish_reason, may_be_longer=may_be_longer)

    assert found is rung


def test_halves_are_for_pages_with_too_much_text_and_not_for_those_with_none() -> None:
    of_loops = ladder.pictures({Signal.LOOP}, {"first", "temperature", "turned"}, requests=2)
    of_empty = ladder.pictures({Signal.EMPTY}, {"first", "temperature", "turned"}, requests=2)

    assert of_loops[0] is ladder.HALVES
    assert ladder.HALVES not in of_empty
