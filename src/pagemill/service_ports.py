"""What a deployment asks of the outside world. Adapters implement these; tests bring their own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

from pagemill.domain.pages.model import Transcript
from pagemill.domain.service.load import RevisionLoad
from pagemill.domain.service.plan import Candidate, Image, ServiceState


class ServiceHost(Protocol):
    """Runs one service. Methods that change it raise Conflict if somebody else has changed it meanwhile."""

    def desired(self, image: Image | None) -> Mapping[str, str]:
        """Fields of the service as it should be, path to value. Without an image, the image's field is left out."""

    async def state(self) -> ServiceState | None:
        """Read the service; None if there is none."""

    async def check(self, image: str) -> None:
        """Let the host validate what would be deployed, quotas included. Changes nothing."""

    async def stage(self, image: Image, state: ServiceState | None) -> Candidate:
        """Create a revision without traffic, reachable at its own URL, and wait until it is ready.

        Raises:
            NotReady: It does not start.
        """

    async def stage_again(self, revision: str, state: ServiceState) -> Candidate:
        """Give an existing revision a URL of its own, without traffic."""

    async def shift(self, candidate: Candidate, percent: int, serving: str) -> None:
        """Send a share of the requests to a revision that is being tried, the others to the one that serves."""

    async def promote(self, candidate: Candidate) -> str:
        """Send all requests to a revision, and record it as verified; return the service's URL."""

    async def restore(self, before: ServiceState | None) -> None:
        """Send requests where they went before."""

    async def clean_up(self, state: ServiceState) -> None:
        """Take away what a deployment left behind when it died."""

    async def enable_invoker_check(self) -> None:
        """Switch Cloud Run's IAM check of callers on, if it is off."""

    async def delete(self) -> bool:
        """Delete the service; return whether there was one."""


class LoadMeter(Protocol):
    """Knows what revisions do with their requests."""

    async def load(self, revision: str, since: dt.datetime) -> RevisionLoad:
        """The requests of a revision since a moment; raises DeploymentFailed if there is no answer this time."""


class RegionRoom(Protocol):
    """The room that a region has for instances of the service."""

    async def shortages(self, state: ServiceState, image: str) -> Sequence[str]:
        """Quotas that have no room for an instance of the service as it should be beside one as it is."""

    async def instances(self, revision: str) -> int:
        """Instances of a revision that run.

        Raises:
            PagemillError: Nobody knows.
        """


class InvokerPolicy(Protocol):
    """Who may call the service: its IAM policy."""

    async def grant(self, members: Sequence[str]) -> bool:
        """Add members to the invokers and keep the others; return whether that changed the policy."""

    async def public_bindings(self) -> list[tuple[str, str]]:
        """Role and member of every binding that grants access to everybody."""

    async def revoke_public(self) -> None:
        """Remove every binding that grants access to everybody."""

    def fix_command(self, role: str, member: str) -> str:
        """The command that removes a binding."""


class ServiceEndpoint(Protocol):
    """One URL of the service, as its callers use it."""

    url: str

    async def status_without_token(self) -> int:
        """HTTP status of a request without an identity token.

        Raises:
            EndpointUnavailable: No answer.
        """

    async def probe(self) -> None:
        """Check once whether the service is healthy and serves the model.

        Raises:
            EndpointUnavailable: It is not healthy yet.
            EndpointRefusesUs: It refuses our token.
            WrongModel: It serves another model.
        """

    async def first_token_seconds(self, png: bytes) -> float:
        """Seconds from a request to the first piece of its text."""

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        """Return the transcript of one page image."""
