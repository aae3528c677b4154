"""How far the text of a page is to be trusted: its score, and what lowered it, as they stand in results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pagemill.domain.pages.strict_json import JsonObject


@dataclass(frozen=True, slots=True)
class PageFinding:
    """A signal that speaks against the text of a page. Its words are among the objections of the page."""

    signal: str  # a value of `judging.findings.Signal`, or a name that another version of pagemill knows
    measure: float  # in the unit of the signal

    @staticmethod
    def read(body: JsonObject) -> PageFinding:
        """Parse one.

        Raises:
            ValueError: It is something else.
        """
        body.only("signal", "measure")
        return PageFinding(body.text("signal"), body.amount("measure"))


@dataclass(frozen=True, slots=True)
class Trust:
    """The score of a page, with the names of the signals that lowered it."""

    score: float  # 0 to 1
    signals: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For people: `score 0.45 (low-dpi)`."""
        return f"score {self.score:g}" + (f" ({', '.join(self.signals)})" if self.signals else "")


def suspects(scored: Mapping[int, Trust], *, below: float) -> dict[int, Trust]:
    """The pages with a score below a threshold, by page number in order."""
    return {number: scored[number] for number in sorted(scored) if scored[number].score < below}


def as_json(scored: Mapping[int, Trust]) -> list[dict[str, object]]:
    """Pages with their scores, JSON-ready, in order."""
    return [
        {"page": number, "score": trust.score, "signals": list(trust.signals)}
        for number, trust in sorted(scored.items())
    ]


def from_json(entries: Iterable[JsonObject]) -> dict[int, Trust]:
    """Parse what `as_json` made.

    Raises:
        ValueError: It is something else.
    """
    return {entry.count("page", least=1): Trust(entry.amount("score"), entry.texts("signals")) for entry in entries}
