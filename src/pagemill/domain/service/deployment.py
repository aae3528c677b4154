"""What a deployment did: filled in step by step, reported whole, whether it succeeds or not."""

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
    UNCHANGED = "unchanged"  # what serves is what was wanted
    ROLLED_BACK = "rolled back"  # an older revision serves again, because that was wanted
    FAILED = "failed"  # what served before serves on


@dataclass
class Deployment:
    """One deployment. Empty: not known, or not reached."""

    service: str
    region: str
    started_at: dt.datetime
    outcome: Outcome = Outcome.RUNNING
    error: str = ""
    url: str = ""
    before: str = ""  # revision that served
    revision: str = ""  # that serves, or was to
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
