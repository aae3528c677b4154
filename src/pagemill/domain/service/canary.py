"""Evaluates a service on canary pages, whose text is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pagemill.domain.judging.judge import Evidence, judge
from pagemill.domain.pages.model import Transcript
from pagemill.domain.service.similarity import plain, word_f1

_EXCERPT = 60  # characters of a text in a message


@dataclass(frozen=True, slots=True)
class CanaryPage:
    """A page image with its known text, the ground truth."""

    name: str
    png: bytes
    truth: str


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """How a service read a canary page."""

    name: str
    word_f1: float
    seconds: float
    completion_tokens: int
    objections: tuple[str, ...]  # empty: it passed


def evaluate(page: CanaryPage, transcript: Transcript, *, least_word_f1: float, longest_seconds: float) -> CanaryResult:
    """Compare a transcript with the page's text."""
    found = [finding.words for finding in judge(transcript, Evidence()).findings]
    score = word_f1(plain(transcript.markdown), plain(page.truth))
    if score < least_word_f1:
        found.append(
            f"wrong text: word F1 {score:.2f} is less than {least_word_f1:.2f}; it reads "
            f"'{_excerpt(transcript.markdown)}', the page says '{_excerpt(page.truth)}'"
        )
    if transcript.seconds > longest_seconds:
        found.append(f"too slow: {transcript.seconds:.1f} s, the limit is {longest_seconds:.0f} s")
    return CanaryResult(page.name, score, transcript.seconds, transcript.completion_tokens, tuple(found))


def unanswered(page: CanaryPage, why: str) -> CanaryResult:
    """The result of a page that got no answer."""
    return CanaryResult(page.name, 0.0, 0.0, 0, (why,))


def describe_failures(results: Sequence[CanaryResult]) -> str:
    """What is wrong with which page; empty if all passed."""
    return "; ".join(f"{result.name}: {', '.join(result.objections)}" for result in results if result.objections)


def _excerpt(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
