"""Proves a service: closed to strangers, healthy, of the right model, and reading pages whose text is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import stamina

from pagemill.domain.service.canary import CanaryPage, CanaryResult, judge, unanswered, verdict
from pagemill.domain.wording import counted
from pagemill.errors import (
    DeploymentFailed,
    EndpointRefusesUs,
    EndpointUnavailable,
    PagemillError,
    WrongModel,
)
from pagemill.ports import ServiceDoor

_CLOSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Demands:
    """What a service must be."""

    health_seconds: float  # until it answers
    grant_seconds: float  # until an invitation is known everywhere
    in_flight: int  # canary pages at once
    page_seconds: float  # longest answer
    word_f1: float  # least agreement of each page with its text
    max_tokens: int = 4096
    internal: bool = False  # strangers get 404, for it is not to be found from outside


@dataclass(frozen=True, slots=True)
class Proof:
    """What was seen of a service that passed."""

    health_seconds: float  # until it answered
    first_token_seconds: float
    canary_seconds: float  # for all pages
    results: tuple[CanaryResult, ...]


class Verification:
    """Looks at one URL of a service; changes nothing but a door that stands open."""

    def __init__(
        self,
        door: ServiceDoor,
        *,
        uninvited: Callable[[], Awaitable[Sequence[tuple[str, str]]]],
        close: Callable[[], Awaitable[None]],
        demands: Demands,
        announce: Callable[[str], object],
    ) -> None:
        """Configure.

        Args:
            door: The URL to ask.
            uninvited: Looks up role and member of every binding that lets everybody in.
            close: Lets nobody in any more who was not invited.
            demands: What must hold.
            announce: Told what is being looked at.
        """
        self._door = door
        self._uninvited = uninvited
        self._close = close
        self._demands = demands
        self._announce = announce
        self.results: Sequence[CanaryResult] = ()  # of the canary pages, well or not

    async def prove(self, pages: Sequence[CanaryPage]) -> Proof:
        """Look at everything.

        Raises:
            DeploymentFailed: Something is not as it must be: what, and what to do.
        """
        self._announce(f"asking {self._door.url} without a token")
        await self.refuse_strangers()
        self._announce("waiting for /health")
        started = time.monotonic()
        await self._healthy()
        health_seconds = time.monotonic() - started
        self._announce(f"sending {counted(len(pages), 'canary page')}, {self._demands.in_flight} at once")
        first_token_seconds = await self._first_token(pages[0])
        started = time.monotonic()
        self.results = await self._read_all(pages)
        if wrong := verdict(self.results):
            raise DeploymentFailed(
                f"the service does not read as it should: {wrong}; look at the model, its revision and vLLM's version "
                "in infra/gpu_service/cloudbuild.yaml"
            )
        return Proof(health_seconds, first_token_seconds, time.monotonic() - started, tuple(self.results))

    async def refuse_strangers(self) -> None:
        """See that nobody gets an answer without saying who they are; close the door if it stands open.

        Raises:
            DeploymentFailed: It stood open, or nobody can tell.
        """
        status = await self._status_without_token()
        public = await self._uninvited()
        if self._is_closed(status) and not public:
            return
        if not public and (status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS):
            raise DeploymentFailed(
                f"{self._door.url} answered {status} to a caller without a token, so that nobody can tell whether it "
                "lets strangers in; deploy again"
            )
        await self._close()
        how = " and ".join(f"{member} has {role}" for role, member in public) or f"it answered {status} without a token"
        closed = self._is_closed(await self._status_without_token())
        now = "it was closed" if closed else "IT IS STILL OPEN: delete it with `pagemill deploy --delete`"
        raise DeploymentFailed(f"{self._door.url} was open to everybody ({how}); {now}; find out who opened it")

    def _is_closed(self, status: int) -> bool:
        return status in _CLOSED or (self._demands.internal and status == HTTPStatus.NOT_FOUND)

    async def _status_without_token(self) -> int:
        try:
            return await self._door.status_without_token()
        except EndpointUnavailable as error:
            raise DeploymentFailed(f"nobody can tell whether strangers are let in: {error}") from error

    async def _healthy(self) -> None:
        """Wait until it answers and serves the model."""
        refused_until = time.monotonic() + self._demands.grant_seconds
        last: PagemillError | None = None

        def may_help(error: Exception) -> bool:
            nonlocal last
            last = error if isinstance(error, PagemillError) else last
            if isinstance(error, EndpointRefusesUs):
                return time.monotonic() < refused_until
            return isinstance(error, EndpointUnavailable)

        try:
            async with asyncio.timeout(self._demands.health_seconds):
                async for attempt in stamina.retry_context(
                    on=may_help, attempts=None, timeout=None, wait_initial=0.2, wait_max=_LONGEST_PAUSE_SECONDS
                ):
                    with attempt:
                        await self._door.probe()
        except TimeoutError:
            raise DeploymentFailed(
                f"{self._door.url}/health is not well within {self._demands.health_seconds:.0f} s: {last}; see the "
                "revision's logs"
            ) from last
        except WrongModel as error:
            said = str(error).partition(";")[0]
            raise DeploymentFailed(f"{said}; its image was built for another _MODEL than its flags name") from error
        except PagemillError as error:
            raise DeploymentFailed(f"{self._door.url} does not let us in: {error}") from error

    async def _first_token(self, page: CanaryPage) -> float:
        try:
            return await self._door.first_token_seconds(page.png)
        except PagemillError as error:
            raise DeploymentFailed(f"{self._door.url} does not read {page.name}: {error}") from error

    async def _read_all(self, pages: Sequence[CanaryPage]) -> list[CanaryResult]:
        slots = asyncio.Semaphore(self._demands.in_flight)

        async def read(page: CanaryPage) -> CanaryResult:
            async with slots:
                try:
                    transcript = await self._door.read(page.png, max_tokens=self._demands.max_tokens)
                except PagemillError as error:
                    return unanswered(page, str(error))
            return judge(
                page, transcript, least_word_f1=self._demands.word_f1, longest_seconds=self._demands.page_seconds
            )

        return list(await asyncio.gather(*(read(page) for page in pages)))
