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
    INVENTED = "invented"
    LITTLE_INK = "little-ink"
    LAYER = "text-layer"
    LOW_DPI = "low-dpi"
    SCRIPT = "foreign-script"
    MIXED = "mixed-scripts"
    LETTERS = "foreign-letters"
    REMARK = "remark"
    ECHO = "prompt-echo"
    NEIGHBOUR = "other-page"
    CONTROLS = "control-characters"


@dataclass(frozen=True, slots=True)
class Weight:
    """What a signal means."""

    trust: float  # 0 to 1: what is left of the score of a page with this finding
    hard: bool = False  # whether the transcript is refused
    graded: bool = False  # whether the measure, 0 to 1, lowers the score further


SUSPECT_BELOW = 0.8  # score: a page that is `ok` and below it should be looked at

WEIGHTS: Mapping[Signal, Weight] = MappingProxyType(
    {
        Signal.CUT_OFF: Weight(0.0, hard=True),
        Signal.EMPTY: Weight(0.0, hard=True),
        Signal.LOOP: Weight(0.0, hard=True),
        Signal.INVENTED: Weight(0.0, hard=True),
        # Each of these alone makes a suspect; two together are worse than one. They refuse nothing: each is wrong on
        # some honest page, and a suspect is kept.
        Signal.NEIGHBOUR: Weight(0.4),  # text of another page is certain; two pages may really share it
        Signal.LITTLE_INK: Weight(0.6),
        Signal.SCRIPT: Weight(0.6),
        Signal.LETTERS: Weight(0.6),
        Signal.ECHO: Weight(0.6),
        Signal.MIXED: Weight(0.7),
        Signal.REMARK: Weight(0.7),  # the rest of the text may be right
        Signal.LOW_DPI: Weight(0.75),  # large print is right at any resolution
        Signal.LAYER: Weight(0.78, graded=True),  # the share of words that agree says how much is wrong
        # What was wrong is removed. It makes a suspect only together with something else.
        Signal.CONTROLS: Weight(0.95),
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
    def suspect(self) -> bool:
        """Whether somebody should look at it, if it becomes the text of the page."""
        return self.score < SUSPECT_BELOW

    @property
    def refused(self) -> bool:
        """Whether it may not be the text of the page."""
        return any(finding.hard for finding in self.findings)


def score(findings: Iterable[Finding]) -> float:
    """The score of a page with these findings, 0 to 1."""
    return prod(map(_trust, findings))


def _trust(finding: Finding) -> float:
    weight = WEIGHTS[finding.signal]
    return weight.trust * min(max(finding.measure, 0.0), 1.0) if weight.graded else weight.trust
