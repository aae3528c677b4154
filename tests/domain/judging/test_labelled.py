"""How right the signals are, on made-up defects and on honest texts; `benchmarks/judging.py` has more."""

from __future__ import annotations

import random

import pytest

from benchmarks.honest_pages import HONEST
from benchmarks.layered_pages import DAMAGES, layered_pages
from benchmarks.transcripts import LOOPS, hard_cases, soft_cases
from pagemill.domain.judging.judge import Evidence, judge
from pagemill.domain.pages.model import Transcript


@pytest.mark.parametrize("half", [0, 1])
def test_hard_signals_refuse_99_defects_of_100_and_no_honest_text_of_100(half: int) -> None:
    cases = list(hard_cases(half, loops=8 * len(LOOPS), others=2 * len(HONEST)))
    refused = [(case, judge(case.transcript, case.evidence).refused) for case in cases]

    missed = [case.kind for case, is_refused in refused if case.defect and not is_refused]
    wrong = [case.kind for case, is_refused in refused if not case.defect and is_refused]
    assert len(missed) <= 0.01 * sum(case.defect is not None for case in cases), missed
    assert len(wrong) <= 0.01 * sum(case.defect is None for case in cases), wrong


@pytest.mark.parametrize("half", [0, 1])
def test_remarks_and_tails_of_other_pages_make_suspects_and_honest_pages_are_none(half: int) -> None:
    for case in soft_cases(half, count=50):
        judgement = judge(case.transcript, case.evidence)
        assert judgement.suspect == (case.defect is not None), case.kind
        assert case.defect in {None, *(finding.signal for finding in judgement.findings)}


def test_transcripts_that_differ_from_a_good_layer_are_suspects_and_right_ones_in_markdown_are_not() -> None:
    rng = random.Random(7)  # noqa: S311 -- made-up texts, no secrets
    pages = list(layered_pages(24, seed=11))

    def suspects(texts: list[str]) -> list[bool]:
        return [
            judge(Transcript(text, "stop", 1, 1, 1), Evidence(layer=page.layer)).suspect
            for text, page in zip(texts, pages, strict=True)
        ]

    assert not any(suspects([page.markdown for page in pages]))
    for damage in DAMAGES:
        assert all(suspects([damage(rng, page.markdown, 0.08) for page in pages])), damage.__name__
