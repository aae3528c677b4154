"""The gate before the endpoint: a circuit breaker with slow start.

Which way round: an open gate lets pages through (a circuit breaker would be called closed). A closed gate lets none
through; only probes are sent. After a cold start one page is let through at once, then twice as many with each answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import stamina

from pagemill.batch.stop import RunStop
from pagemill.domain.wording import duration
from pagemill.errors import (
    EndpointNeverAnswered,
    EndpointNotFound,
    EndpointUnavailable,
    NothingListens,
    PagemillError,
    Transient,
    UsageError,
    out_of_resources,
)
from pagemill.ports import Recognizer


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an endpoint may take, in seconds."""

    wake_seconds: float = 900.0  # until it is ready at first: image pull, model load, waiting for a GPU
    silence_seconds: float = 1800.0  # of failures without a page read in between
    absent_seconds: float = 60.0  # of 404 and the like for every page, before any is read
    longest_retry_after_seconds: float = 300.0  # when the endpoint asks to be left alone for longer, it is probed then
    probe_seconds: float = 0.02  # shortest pause between the first two probes; each later pause is twice as long
    longest_probe_seconds: float = 2.0  # longest pause between two probes
    longest_pause_seconds: float = 30.0  # before the first probe, if pages fail although probes succeed
    cold_seconds: float = 5.0  # an endpoint that was away for longer has probably started anew


class GateClosed(Transient):
    """The gate closed while a page was waiting before it. Nothing was sent."""


class EndpointGate:
    """Lets pages through to an endpoint that can read them.

    A successful probe opens the gate, at first and after each failure. An endpoint that has just started gets one page
    at once, then twice as many with each answer, so that its autoscaler sees no burst. Nothing is sent, not even a
    probe, before a page wants through; an endpoint that costs nothing is woken as soon as pages are expected.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        patience: Patience,
        stop: RunStop,
        announce: Callable[[str], None],
        embedded: bool = False,
    ) -> None:
        """Configure; nothing is sent yet.

        Args:
            recognizer: The endpoint.
            patience: When to give up.
            stop: Set when the gate gives up; when it is set, the gate lets no page through.
            announce: Called with a text that says what the run waits for.
            embedded: Whether it is the run's own, which costs nothing, even if no page is sent in the end.
        """
        self._recognizer = recognizer
        self._patience = patience
        self._stop = stop
        self._announce = announce
        self._embedded = embedded
        self._changed = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._open = False
        self._openings = 0
        self._through = 0
        self._alone_wanted = 0
        self._width = math.inf  # pages through at once
        self._failures = 0  # in a row, without a page read in between
        self._failing_since = 0.0
        self._has_read = False  # whether any page had an answer
        stop.on_stop(self._on_stop)

    @property
    def is_open(self) -> bool:
        """Whether pages may be sent."""
        return self._open and not self._stop.reason

    def expect_pages(self) -> None:
        """Wake the endpoint while the first pages are rendered, if that costs nothing: they may all be blank."""
        if self._embedded:
            self._wake_once()

    def _wake_once(self) -> None:
        if self._opening is None:
            self._opening = asyncio.create_task(self._wake())

    async def ready(self) -> None:
        """Return when the gate is open. The first call wakes the endpoint.

        Raises:
            EndpointNeverAnswered: The endpoint did not get ready in time.
            PagemillError: The run was stopped for another reason.
        """
        self._wake_once()
        await self._until(lambda: self._open)

    @contextlib.asynccontextmanager
    async def passage(self, *, alone: bool = False) -> AsyncIterator[None]:
        """Let one page through. EndpointUnavailable, raised inside, closes the gate for all pages.

        Args:
            alone: Let no other page through at the same time, so that a failure can only be caused by this page.

        Raises:
            GateClosed: The gate closed in the meantime; wait for `ready` and try again.
        """
        await self._enter(alone=alone)
        opening = self._openings
        try:
            yield
        except EndpointUnavailable as trouble:
            if opening == self._openings:  # ignore failures that began before the last successful probe
                self._close(trouble)
            raise
        else:
            self._answered()
        finally:
            self._through -= 1
            self._alone_wanted -= alone
            self._notify()

    def _on_stop(self) -> None:
        """Let no page through any more: each page that waits gets the run's reason."""
        if self._opening:
            self._opening.cancel()
        self._notify()

    async def close(self) -> None:
        """Stop probing."""
        if self._opening:
            self._opening.cancel()
            await asyncio.wait([self._opening])

    async def _enter(self, *, alone: bool) -> None:
        self._alone_wanted += alone
        entered = False
        try:
            await self._until(lambda: not self._open or self._has_room(alone=alone))
            entered = self._open
        finally:
            if not entered:
                self._alone_wanted -= alone
                self._notify()
        if not entered:
            raise GateClosed("the endpoint is failing")
        self._through += 1

    def _has_room(self, *, alone: bool) -> bool:
        return not self._through if alone else not self._alone_wanted and self._through < self._width

    def _answered(self) -> None:
        self._failures = 0
        self._has_read = True
        self._width *= 2

    def _close(self, trouble: EndpointUnavailable) -> None:
        if not self.is_open:
            return
        if not self._failures:
            self._failing_since = time.monotonic()
        self._open = False
        self._failures += 1
        self._opening = asyncio.create_task(self._reopen(trouble))
        self._notify()

    async def _wake(self) -> None:
        patience = self._patience.wake_seconds
        await self._open_within(patience, f"did not get ready within {patience:g} s")

    async def _reopen(self, trouble: EndpointUnavailable) -> None:
        self._announce(f"the endpoint is failing: {trouble}")
        nowhere = isinstance(trouble, EndpointNotFound) and not self._has_read
        patience = self._patience.absent_seconds if nowhere else self._patience.silence_seconds
        failing = f"read no page for {patience:g} s"
        left = self._failing_since + patience - time.monotonic()
        if left <= 0:
            self._give_up(failing, trouble)
            return
        pause = min(max(self._backoff(), self._asked_for(trouble)), left)
        await asyncio.sleep(pause)
        await self._open_within(max(left - pause, self._patience.probe_seconds), failing)

    def _asked_for(self, trouble: EndpointUnavailable) -> float:
        """Seconds for which the endpoint asks to be left alone, up to a bound; 0 if it does not."""
        return min(trouble.retry_after_seconds or 0.0, self._patience.longest_retry_after_seconds)

    def _backoff(self) -> float:
        """Seconds before the first probe. 0 after one failure; after several, successful probes have proven nothing."""
        longest = min(
            self._patience.probe_seconds * 2.0 ** min(self._failures, 30), self._patience.longest_pause_seconds
        )
        return random.uniform(longest / 2, longest) if self._failures > 1 else 0.0  # noqa: S311 -- no secret

    async def _open_within(self, seconds: float, failing: str) -> None:
        started = time.monotonic()
        try:
            await self._probe(seconds)
        except EndpointUnavailable as last:
            self._give_up(failing, last)
        except PagemillError as error:
            self._stop.now(error)
        except Exception as error:  # noqa: BLE001 -- lost in this task, it would leave all pages waiting for ever
            what = f"{type(error).__name__}: {error}"
            self._stop.now(
                out_of_resources(error)
                or PagemillError(f"an unforeseen error while the endpoint was probed: {what}; please report it")
            )
        else:
            self._width = 1.0 if time.monotonic() - started > self._patience.cold_seconds else math.inf
            self._open = True
            self._openings += 1
            self._announce("reading")
            self._notify()

    def _give_up(self, failing: str, last: EndpointUnavailable) -> None:
        if isinstance(last, EndpointNotFound) and not self._has_read:
            self._stop.now(
                EndpointNeverAnswered(str(last)) if isinstance(last, NothingListens) else UsageError(str(last))
            )
            return
        reason = f"the endpoint {failing}: {last}"
        self._stop.now(EndpointNeverAnswered(f"{reason}; check that it runs, then run again: finished pages are kept"))

    async def _probe(self, seconds: float) -> None:
        patience, deadline = self._patience, time.monotonic() + seconds

        def pause(error: Exception) -> bool | float:
            if not isinstance(error, EndpointUnavailable):
                return False
            if isinstance(error, EndpointNotFound) and not self._openings:
                return False  # nothing is known to have been there: the address is wrong
            left = max(deadline - time.monotonic(), 0.0)
            if self._embedded and not self._openings:
                self._announce("starting the embedded engine")
            else:
                self._announce(f"waiting for the endpoint, {duration(left)} more at most: {error}")
            asked_for = min(self._asked_for(error), left)
            return asked_for if asked_for > patience.probe_seconds else True  # True: the usual backoff

        async for attempt in stamina.retry_context(
            on=pause,
            attempts=None,
            timeout=seconds,
            wait_initial=patience.probe_seconds,
            wait_jitter=2 * patience.probe_seconds,
            wait_max=patience.longest_probe_seconds,
        ):
            with attempt:
                await self._recognizer.probe()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while True:
            if self._stop.reason:
                raise self._stop.reason
            if condition():
                return
            await self._changed.wait()

    def _notify(self) -> None:
        """Wake all waiting pages, so that they check their condition again."""
        self._changed.set()
        self._changed = asyncio.Event()
