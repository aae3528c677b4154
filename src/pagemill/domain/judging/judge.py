"""Judges one transcript by everything that is known of its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pagemill.domain.judging.findings import Finding, Judgement, Signal
from pagemill.domain.judging.loops import loop_finding
from pagemill.domain.pages.model import Rendering, Transcript

# Part of the recipe: a newer guard may refuse a transcript that an older one accepted.
GUARD_VERSION = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a page beside its transcript. What is None or empty is not known."""

    dpi: float | None = None  # of the image on paper
    ink_share: float | None = None  # of the image's pixels
    area_px: int = 0  # of the image, or of all pieces together
    layer: str = ""  # the page's own text, where it is usable

    @staticmethod
    def of(rendering: Rendering) -> Evidence:
        """What its rendering knows."""
        return Evidence(
            dpi=rendering.dpi,
            ink_share=rendering.ink_share,
            area_px=rendering.width_px * rendering.height_px,
            layer=rendering.layer,
        )


def judge(transcript: Transcript, evidence: Evidence) -> Judgement:
    """Judge the transcript of a page with ink."""
    return Judgement(transcript.markdown, tuple(_findings(transcript, evidence)))


def is_empty(transcript: Transcript) -> bool:
    """Whether the model says that there is no text."""
    return transcript.finish_reason == "stop" and not transcript.markdown.strip()


def _findings(transcript: Transcript, evidence: Evidence) -> Iterator[Finding]:
    if transcript.finish_reason != "stop":
        yield Finding(Signal.CUT_OFF, 1, f"cut off: finish_reason is '{transcript.finish_reason}'")
    if not transcript.markdown.strip():
        yield Finding(Signal.EMPTY, 1, "empty although the page has ink")
    if loop := loop_finding(transcript.markdown, evidence.layer):
        yield loop
