"""Verifies a service: private, healthy, serving the right model, and reading pages whose text is known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import stamina

from pagemill.domain.service.canary import CanaryPage, CanaryResult, describe_failures, evaluate, unanswered
from pagemill.domain.wording import counted
from pagemill.errors import (
    DeploymentFailed,
    EndpointRefusesUs,
    EndpointUnavailable,
    PagemillError,
    WrongModel,
)
from pagemill.rollout.waiting import Waiting
from pagemill.service_ports import ServiceEndpoint

_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_IAM_IS_SLOW = "IAM takes 2 to 7 minutes, sometimes longer"
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class AcceptanceCriteria:
    """What a service must fulfil before it gets traffic."""

    health_seconds: float  # until /health answers, from the moment on that our token is accepted
    grant_seconds: float  # until a change of the IAM policy takes effect, a grant or a revocation
    in_flight: int  # canary pages at once
    page_seconds: float  # longest answer to a page
    word_f1: float  # least agreement of each page with its known text, 0 to 1
    max_tokens: int = 4096
    settle_seconds: float = 60.0  # until a new URL gives an answer that says who may call it
    internal: bool = False  # ingress `internal`: requests from outside the VPC get 404


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What was measured of a service that passed."""

    first_token_seconds: float
    canary_seconds: float  # for all pages
    results: tuple[CanaryResult, ...]


class Verification:
    """Verifies one URL of a service. Changes nothing, except that it takes away public access where it finds it."""

    def __init__(
        self,
        endpoint: ServiceEndpoint,
        *,
        public_bindings: Callable[[], Awaitable[Sequence[tuple[str, str]]]],
        make_private: Callable[[], Awaitable[None]],
        criteria: AcceptanceCriteria,
        announce: Callable[[str], object],
    ) -> None:
        """Store the configuration; send no requests.

        Args:
            endpoint: The URL to verify.
            public_bindings: Returns role and member of every IAM binding that grants access to everybody.
            make_private: Takes away public access.
            criteria: What the service must fulfil.
            announce: Called with a line about each step.
        """
        self._endpoint = endpoint
        self._public_bindings = public_bindings
        self._make_private = make_private
        self._criteria = criteria
        self._announce = announce
        self.results: Sequence[CanaryResult] = ()  # of the canary pages, passed or failed
        self.is_private = False
        self.health_seconds: float | None = None  # until /health answered

    async def verify(self, pages: Sequence[CanaryPage]) -> VerificationResult:
        """Run all checks.

        Raises:
            DeploymentFailed: A check failed; the message says which, and what to do.
        """
        self._announce(f"sending a request without a token to {self._endpoint.url}")
        await self.ensure_private()
        self.is_private = True
        self._announce("waiting for /health")
        started = time.monotonic()
        await self._healthy()
        self.health_seconds = time.monotonic() - started
        self._announce(f"sending {counted(len(pages), 'canary page')}, {self._criteria.in_flight} at once")
        first_token_seconds = await self._first_token(pages[0])
        started = time.monotonic()
        self.results = await self._read_all(pages)
        if wrong := describe_failures(self.results):
            raise DeploymentFailed(
                f"the service does not read the canary pages as it should: {wrong}; check the model, its revision and "
                "vLLM's version in infra/gpu_service/cloudbuild.yaml"
            )
        return VerificationResult(first_token_seconds, time.monotonic() - started, tuple(self.results))

    async def ensure_private(self) -> None:
        """Check that the service refuses unauthenticated callers; take away public access where it finds it.

        Only an answer of the service itself, 2xx, shows that it is public: the URL of a new traffic tag answers 404 at
        first.

        Raises:
            DeploymentFailed: The service was public, or its answer does not show whether it is.
        """
        settling = Waiting(self._criteria.settle_seconds, f"waiting for {self._endpoint.url}", self._announce)
        status = await self._status_until(settling, self._is_telling)
        public = await self._public_bindings()
        if self._is_refused(status) and not public:
            return
        if not public and not _is_success(status):
            raise DeploymentFailed(
                f"{self._endpoint.url} answered {status} to requests without a token for {settling.seconds:.0f} s, "
                "which does not show whether it refuses unauthenticated callers; deploy again"
            )
        await self._make_private()
        how = " and ".join(f"{member} has {role}" for role, member in public) or f"it answered {status} without a token"
        what = f"public access is revoked, waiting until that takes effect; {_IAM_IS_SLOW}"
        revoking = Waiting(self._criteria.grant_seconds, what, self._announce)
        status = await self._status_until(revoking, self._is_refused)
        raise DeploymentFailed(
            f"{self._endpoint.url} was public ({how}); {self._now(status)}; find out who made it public"
        )

    def _now(self, status: int) -> str:
        """Whether it is private, after public access was revoked."""
        if self._is_refused(status):
            return "it is private again"
        if _is_success(status):
            return (
                f"IT IS STILL PUBLIC {self._criteria.grant_seconds:.0f} s after the change: delete it with "
                "`pagemill deploy --delete`"
            )
        return f"whether it is private again is not known: it answers {status}; look again with `pagemill deploy`"

    def _is_telling(self, status: int) -> bool:
        """Whether an answer to a request without a token says who may call the service."""
        return _is_success(status) or self._is_refused(status)

    def _is_refused(self, status: int) -> bool:
        return status in _REFUSED or (self._criteria.internal and status == HTTPStatus.NOT_FOUND)

    async def _status_until(self, waiting: Waiting, wanted: Callable[[int], bool]) -> int:
        """Send requests without a token until a status is a wanted one, or the time is over; return the last one."""
        while not wanted(status := await self._status_without_token()) and not waiting.is_over:
            await waiting.pause()
        return status

    async def _status_without_token(self) -> int:
        try:
            return await self._endpoint.status_without_token()
        except EndpointUnavailable as error:
            raise DeploymentFailed(
                "a request without a token got no answer, which does not show whether the service refuses "
                f"unauthenticated callers: {error}"
            ) from error

    async def _healthy(self) -> None:
        """Wait until our token is accepted, /health answers and the service serves the model."""
        what = f"our token is refused, waiting for our grant to take effect; {_IAM_IS_SLOW}"
        granting = Waiting(self._criteria.grant_seconds, what, self._announce)
        last: PagemillError | None = None

        def may_help(error: Exception) -> bool:
            nonlocal last
            last = error if isinstance(error, PagemillError) else last
            if isinstance(error, EndpointRefusesUs):  # no request has reached the service: its time has not begun
                limit.reschedule(None)
                granting.tell()
                return not granting.is_over
            if limit.when() is None:
                limit.reschedule(asyncio.get_running_loop().time() + self._criteria.health_seconds)
            return isinstance(error, EndpointUnavailable)

        try:
            async with asyncio.timeout(self._criteria.health_seconds) as limit:
                async for attempt in stamina.retry_context(
                    on=may_help, attempts=None, timeout=None, wait_initial=0.2, wait_max=_LONGEST_PAUSE_SECONDS
                ):
                    with attempt:
                        await self._endpoint.probe()
        except TimeoutError:
            raise DeploymentFailed(
                f"{self._endpoint.url}/health did not succeed within {self._criteria.health_seconds:.0f} s: {last}; "
                "see the revision's logs"
            ) from last
        except WrongModel as error:
            what = str(error).partition(";")[0]
            raise DeploymentFailed(f"{what}; the image was built for another _MODEL than vLLM's flags name") from error
        except EndpointRefusesUs as error:
            raise DeploymentFailed(f"{self._endpoint.url} refuses our token: {error}") from error
        except PagemillError as error:
            raise DeploymentFailed(f"{self._endpoint.url} cannot be verified: {error}") from error

    async def _first_token(self, page: CanaryPage) -> float:
        try:
            return await self._endpoint.first_token_seconds(page.png)
        except PagemillError as error:
            raise DeploymentFailed(f"{self._endpoint.url} does not read {page.name}: {error}") from error

    async def _read_all(self, pages: Sequence[CanaryPage]) -> list[CanaryResult]:
        slots = asyncio.Semaphore(self._criteria.in_flight)

        async def read(page: CanaryPage) -> CanaryResult:
            async with slots:
                try:
                    transcript = await self._endpoint.read(page.png, max_tokens=self._criteria.max_tokens)
                except PagemillError as error:
                    return unanswered(page, str(error))
            return evaluate(
                page, transcript, least_word_f1=self._criteria.word_f1, longest_seconds=self._criteria.page_seconds
            )

        return list(await asyncio.gather(*(read(page) for page in pages)))


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
