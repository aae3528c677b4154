"""What a revision does with real requests, and whether that is a reason to go back to the one before it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pagemill.domain.wording import counted

_PERCENT = re.compile(r"[1-9][0-9]?|100")


@dataclass(frozen=True, slots=True)
class RevisionLoad:
    """The requests of a revision since a moment."""

    requests: int = 0
    errors: int = 0  # answered with 5xx
    p95_seconds: float | None = None  # latency that 95 % of its good answers stay below; None: there are none

    def described(self) -> str:
        """The load within a sentence."""
        latency = "" if self.p95_seconds is None else f", 95 % of the answers within {self.p95_seconds:.1f} s"
        return f"{counted(self.requests, 'request')}, {counted(self.errors, 'error')}{latency}"


@dataclass(frozen=True, slots=True)
class StepCriteria:
    """How long each step of a gradual rollout takes, and what is good enough to go on."""

    seconds: float
    requests: int  # fewer prove nothing
    error_percent: float
    slowdown: float  # of the latency, against the revision that served before


def objection(new: RevisionLoad, old: RevisionLoad, criteria: StepCriteria) -> str:
    """Why the new revision should not get more requests; empty: there is no reason, or it is not known yet.

    Errors count among at least the least number of requests: many errors of few requests are a reason, one is none.

    Args:
        new: Of the new revision.
        old: Of the one that served before; its latency is what that of the new one is compared with.
        criteria: What is good enough.
    """
    percent = 100.0 * new.errors / max(new.requests, criteria.requests)
    if percent > criteria.error_percent:
        return f"{new.errors} of {counted(new.requests, 'request')} were answered with 5xx"
    if min(new.requests, old.requests) < criteria.requests or new.p95_seconds is None or not old.p95_seconds:
        return ""
    if new.p95_seconds > criteria.slowdown * old.p95_seconds:
        return f"95 % of the answers took up to {new.p95_seconds:.1f} s, before it {old.p95_seconds:.1f} s"
    return ""


def traffic_steps(text: str) -> tuple[int, ...]:
    """The shares of a gradual rollout, in percent.

    Args:
        text: As in `5,50,100`; empty: none.

    Raises:
        ValueError: They do not grow, or are no percents.
    """
    if not text.strip():
        return ()
    named = [each.strip() for each in text.split(",")]
    steps = tuple(int(each) for each in named if _PERCENT.fullmatch(each))
    if len(steps) < len(named) or list(steps) != sorted(set(steps)):
        raise ValueError(f"'{text}' is no list of growing percents, as in 5,50,100")
    return steps
