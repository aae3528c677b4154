"""What a rollout works with: its ports, and the steps that have a module of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from pagemill.domain.service.canary import CanaryPage
from pagemill.domain.service.plan import Image
from pagemill.rollout.preflight import Check
from pagemill.rollout.room import Room
from pagemill.rollout.shifting import Shifting
from pagemill.rollout.verification import AcceptanceCriteria
from pagemill.service_ports import InvokerPolicy, ServiceEndpoint, ServiceHost

OpenEndpoint = Callable[[str, str], AbstractAsyncContextManager[ServiceEndpoint]]  # URL to ask, URL of the service


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What a rollout works with."""

    host: ServiceHost
    invoker_policy: InvokerPolicy
    open_endpoint: OpenEndpoint
    find_image: Callable[[], Awaitable[Image | None]]
    build_image: Callable[[], Awaitable[Image]]
    planned_image: str  # reference of the image, by tag, whether or not it exists
    pages: Callable[[], Awaitable[Sequence[CanaryPage]]]
    checks: Sequence[Check]
    room: Room
    shifting: Shifting
    invokers: Sequence[str]  # IAM members who may call the service
    criteria: AcceptanceCriteria
    poll_seconds: float  # between two tries to delete a service
    announce: Callable[[str], object]  # called with a line about each step
