"""What is tried next for a page whose transcript is refused: one table of steps, limits and order. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pagemill.domain.judging.findings import WEIGHTS, Finding, Signal
from pagemill.domain.pages.model import Picture, Sampling

# Requests for a page of one image, the first one included. With three more for each refused page, ten refused pages in
# a hundred cost at most 1.3 requests a page.
MOST_REQUESTS = 4

_HARD = frozenset(signal for signal, weight in WEIGHTS.items() if weight.hard)
_TOO_LONG = frozenset({Signal.LOOP, Signal.CUT_OFF})


@dataclass(frozen=True, slots=True)
class Rung:
    """One step: what is changed, and against what."""

    name: str  # stands in records: it never changes
    against: frozenset[Signal]  # one of them was found in an earlier answer
    requests: int = 1
    sampling: Sampling | None = None  # None: the recipe's
    more_tokens: bool = False  # all that the context has left
    picture: Picture | None = None  # None: the standard one
    turned: bool = False  # the picture is the standard one, turned as the witness says


FIRST = Rung("first", frozenset())
MORE_TOKENS = Rung("more-tokens", _TOO_LONG, more_tokens=True)
# Deterministic loops come again at temperatures from 0 to 0.2, and with a repetition penalty, which also invents rows
# of tables: so there is none. A hotter sample once is the cheapest try, and ends other defects.
TEMPERATURE = Rung("temperature", _HARD, sampling=Sampling(temperature=0.6, ends_loops=True))
TURNED = Rung("turned", _HARD, turned=True)
# Another picture ended one loop in three that no sampling ended. Halves have less text each, and larger letters.
HALVES = Rung("halves", _TOO_LONG, requests=2, picture=Picture(magnification=2.0, halves=True))
MAGNIFIED = Rung("magnified", _HARD, picture=Picture(magnification=1.5))

# The second request changes the sampling, or for a plain cut-off the tokens. All later ones change the picture. Behind
# the last one is the page's own text layer, and then the failure.
SECOND = (MORE_TOKENS, TEMPERATURE)
PICTURES = (TURNED, HALVES, MAGNIFIED)


def second(findings: Collection[Finding], *, finish_reason: str, may_be_longer: bool) -> Rung:
    """What is changed in the second request for an image.

    Args:
        findings: Why the first answer was refused.
        finish_reason: Of that answer.
        may_be_longer: Whether the context has room for a longer answer.
    """
    hard = {finding.signal for finding in findings if finding.hard}
    plain_cut_off = hard == {Signal.CUT_OFF} and finish_reason == "length"
    return MORE_TOKENS if plain_cut_off and may_be_longer else TEMPERATURE


def pictures(signals: Collection[str], tried: Collection[str], *, requests: int) -> Sequence[Rung]:
    """The other pictures that may help, in order.

    Args:
        signals: Of all refused answers.
        tried: The names of the rungs that were tried.
        requests: How many the page has taken.
    """
    return [
        rung
        for rung in PICTURES
        if rung.name not in tried and rung.against.intersection(signals) and requests + rung.requests <= MOST_REQUESTS
    ]
