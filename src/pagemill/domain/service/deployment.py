"""The record of a deployment: filled in step by step, and reported whether it succeeds or fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pagemill.domain.service.canary import CanaryResult
from pagemill.domain.service.cost import ServiceCost
from pagemill.domain.service.plan import Change


class Outcome(StrEnum):
    """How a deployment ended."""

    RUNNING = "running"
    DEPLOYED = "deployed"  # a new revision serves
    UNCHANGED = "unchanged"  # the revision that serves is the desired one
    ROLLED_BACK = "rolled back"  # an earlier revision serves again, as requested
    PASSED = "passed"  # a smoke test: its service is deleted
    FAILED = "failed"  # the previous revision keeps serving
    INTERRUPTED = "interrupted"  # the same


@dataclass
class Deployment:
    """One deployment. Empty fields are unknown, or their step was not reached."""

    service: str
    project: str
    region: str
    started_at: dt.datetime
    outcome: Outcome = Outcome.RUNNING
    error: str = ""
    url: str = ""
    before: str = ""  # revision that served before
    revision: str = ""  # revision that serves now, or that failed
    image: str = ""
    build_log: str = ""
    built: bool | None = None
    model: str = ""
    substitutions: Mapping[str, str] = field(default_factory=dict)
    flags: Sequence[str] = ()
    changes: Sequence[Change] = ()
    cost: ServiceCost | None = None
    build_seconds: float | None = None
    startup_seconds: float | None = None
    health_seconds: float | None = None
    first_token_seconds: float | None = None
    canary_seconds: float | None = None
    canaries: Sequence[CanaryResult] = ()
    steps: Sequence[str] = ()  # of gradual traffic: what was seen at each
    checked: bool = False  # whether the project has what a deployment needs
    private: bool = False  # whether unauthenticated callers were refused
    promoted: bool = False  # whether the requests go to the revision
    # Of a smoke test.
    smoke: bool = False
    deleted: bool = False  # whether its service is
    left: str = ""  # why it is not, and the command that deletes it
