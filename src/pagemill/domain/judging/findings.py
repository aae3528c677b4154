"""What may be wrong with a transcript, and what that means for the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from types import MappingProxyType


class Signal(StrEnum):
    """A kind of defect. The values stand in results: they never change."""

    CUT_OFF = "cut-off"
    EMPTY = "empty"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Weight:
    """What a signal means."""

    trust: float  # 0 to 1: what is left of the score of a page with this finding
    hard: bool  # whether the transcript is refused


WEIGHTS: Mapping[Signal, Weight] = MappingProxyType(
    {
        Signal.CUT_OFF: Weight(0.0, hard=True),
        Signal.EMPTY: Weight(0.0, hard=True),
        Signal.LOOP: Weight(0.0, hard=True),  # what the page says after its beginning is not there
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect of one transcript."""

    signal: Signal
    measure: float  # what was measured, in the unit of the signal
    words: str  # for people; without the name of the page

    @property
    def hard(self) -> bool:
        """Whether the transcript is refused because of it."""
        return WEIGHTS[self.signal].hard


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a transcript is worth."""

    text: str  # the transcript without what is never text
    findings: tuple[Finding, ...] = ()

    @property
    def score(self) -> float:
        """0 to 1; 1: nothing speaks against the text."""
        return round(score(self.findings), 3)

    @property
    def refused(self) -> bool:
        """Whether it may not be the text of the page."""
        return any(finding.hard for finding in self.findings)


def score(findings: Iterable[Finding]) -> float:
    """The score of a page with these findings, 0 to 1."""
    return prod(WEIGHTS[finding.signal].trust for finding in findings)
