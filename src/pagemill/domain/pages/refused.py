"""Transcripts that were refused: they are kept beside the checkpoints, because corrections may start from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pagemill.domain.pages import strict_json
from pagemill.domain.pages.strict_json import JsonObject
from pagemill.domain.wording import encodable

SCHEMA = 1
MOST_TEXTS = 3  # of a page
LONGEST_TEXT_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused transcript."""

    rung: str  # the step of the ladder
    signals: tuple[str, ...]
    reason: str
    score: float
    max_tokens: int
    text: str  # at most its beginning; empty for those after the third


@dataclass(frozen=True, slots=True)
class RefusedTexts:
    """All refused transcripts of a page in its last run that had any."""

    number: int  # of the page, from 1
    ended: bool  # whether the page failed, because nothing was left to try
    context_tokens: int  # the model's window: a larger one may hold more
    refusals: tuple[Refusal, ...]

    def to_json(self) -> str:
        """The record as JSON."""
        return json.dumps({"schema": SCHEMA} | asdict(self), ensure_ascii=False) + "\n"


def bounded(refusals: Sequence[Refusal]) -> tuple[Refusal, ...]:
    """The refusals with as much of their texts as is kept."""
    return tuple(
        Refusal(
            refusal.rung,
            refusal.signals,
            encodable(refusal.reason),
            refusal.score,
            refusal.max_tokens,
            _beginning(refusal.text) if place < MOST_TEXTS else "",
        )
        for place, refusal in enumerate(refusals)
    )


def read_refused(text: bytes, number: int) -> RefusedTexts | None:
    """Parse the record of a page; None if it is damaged, another page's, or of another schema."""
    try:
        body = strict_json.parse(text)
        if body.count("schema") != SCHEMA or body.count("number") != number:
            return None
        refusals = tuple(map(_read_refusal, body.objects("refusals")))
        return RefusedTexts(number, body.flag("ended"), body.count("context_tokens"), refusals)
    except ValueError:
        return None


def _read_refusal(body: JsonObject) -> Refusal:
    return Refusal(
        body.text("rung"),
        body.texts("signals"),
        body.text("reason"),
        body.amount("score"),
        body.count("max_tokens"),
        body.text("text"),
    )


def _beginning(text: str) -> str:
    return encodable(text).encode()[:LONGEST_TEXT_BYTES].decode(errors="ignore")
