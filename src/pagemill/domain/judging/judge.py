"""Judges one transcript by everything that is known of its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pagemill.domain.judging.findings import Finding, Judgement, Signal
from pagemill.domain.pages.model import Rendering, Transcript

# Part of the recipe: a newer guard may refuse a transcript that an older one accepted.
GUARD_VERSION = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a page beside its transcript. What is None or empty is not known."""

    dpi: float | None = None  # of the image on paper

    @staticmethod
    def of(rendering: Rendering) -> Evidence:
        """What its rendering knows."""
        return Evidence(dpi=rendering.dpi)


def judge(transcript: Transcript, evidence: Evidence) -> Judgement:
    """Judge the transcript of a page with ink."""
    return Judgement(transcript.markdown, tuple(_findings(transcript, evidence)))


def is_empty(transcript: Transcript) -> bool:
    """Whether the model says that there is no text."""
    return transcript.finish_reason == "stop" and not transcript.markdown.strip()


def _findings(transcript: Transcript, _: Evidence) -> Iterator[Finding]:
    if transcript.finish_reason != "stop":
        yield Finding(Signal.CUT_OFF, 1, f"cut off: finish_reason is '{transcript.finish_reason}'")
    if not transcript.markdown.strip():
        yield Finding(Signal.EMPTY, 1, "empty although the page has ink")
