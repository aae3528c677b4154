"""Judges one transcript by everything that is known of its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pagemill.domain.judging.agreement import agreement, agreement_finding
from pagemill.domain.judging.characters import cleaned, mixed_finding, script_finding
from pagemill.domain.judging.endings import emptiness_finding, ending_finding
from pagemill.domain.judging.findings import Finding, Judgement
from pagemill.domain.judging.letters import DocumentLetters, letters_finding
from pagemill.domain.judging.loops import loop_finding
from pagemill.domain.judging.neighbours import neighbour_finding
from pagemill.domain.judging.picture import ink_finding, regions_finding, resolution_finding
from pagemill.domain.judging.remarks import echo_finding, remark_finding
from pagemill.domain.pages.model import Rendering, Transcript

# Part of the recipe: a newer guard may refuse a transcript that an older one accepted.
GUARD_VERSION = 3

_LONGEST_LOOKED_AT = 2**17  # characters, from the end: 8,192 tokens have 40,000; so no answer takes long to judge


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a page beside its transcript. What is None or empty is not known."""

    dpi: float | None = None  # of the image on paper
    ink_share: float | None = None  # of the image's pixels
    area_px: int = 0  # of the image, or of all pieces together
    layer: str = ""  # the page's own text, where it is usable
    regions: int | None = None  # of text, that a text detector has found
    prompt: str = ""  # what the model was asked beside the image
    in_flight: tuple[str, ...] = ()  # the texts of other pages that were in flight at the time
    letters: DocumentLetters | None = None  # of the document's other pages

    @staticmethod
    def of(rendering: Rendering) -> Evidence:
        """What its rendering knows."""
        return Evidence(
            dpi=rendering.dpi,
            ink_share=rendering.ink_share,
            area_px=rendering.width_px * rendering.height_px,
            layer=rendering.layer,
        )

    def of_part(self) -> Evidence:
        """What is known of a piece of the page: nothing that was measured of the whole."""
        return Evidence(prompt=self.prompt, in_flight=self.in_flight)


def judge(transcript: Transcript, evidence: Evidence) -> Judgement:
    """Judge the transcript of a page with ink. Takes time in proportion to its length, and never raises."""
    text, removed = cleaned(transcript.markdown)
    shown = text[-_LONGEST_LOOKED_AT:]
    findings = [*_of_text(shown, transcript.finish_reason, evidence), *_of_page(shown, evidence)]
    return Judgement(text, (*findings, *([removed] if removed else [])))


def is_empty(transcript: Transcript) -> bool:
    """Whether the model says that there is no text."""
    return transcript.finish_reason == "stop" and not cleaned(transcript.markdown)[0].strip()


def _of_text(text: str, finish_reason: str, evidence: Evidence) -> Iterator[Finding]:
    """What the text itself shows, with the page's own text as a witness for the defence."""
    layer = evidence.layer
    found = (
        ending_finding(text, finish_reason, layer),
        emptiness_finding(text),
        loop_finding(text, layer),
        remark_finding(text, layer),
        echo_finding(text, evidence.prompt, layer),
        mixed_finding(text, layer),
        neighbour_finding(text, layer, evidence.in_flight),
    )
    yield from filter(None, found)


def _of_page(text: str, evidence: Evidence) -> Iterator[Finding]:
    """What the page says against the text. Where its own text agrees, nothing else of the page is asked."""
    agreed = agreement(text, evidence.layer)
    if agreed and agreed.is_good:
        return
    ink_px = None if evidence.ink_share is None else evidence.ink_share * evidence.area_px
    found = [
        agreement_finding(agreed) if agreed else None,
        regions_finding(text, evidence.regions) or ink_finding(text, ink_px),
        resolution_finding(evidence.dpi),
    ]
    if letters := evidence.letters:
        found.append(letters_finding(text, letters))
    found.append(script_finding(text, evidence.layer, letters.scripts if letters else frozenset()))
    yield from filter(None, found)
