"""The gate before the endpoint: shut until it is ready, and shut for every page while it is in trouble."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import stamina

from pagemill.errors import EndpointNeverAnswered, EndpointUnavailable, Transient
from pagemill.ports import Recognizer


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an endpoint may take, in seconds."""

    wake_seconds: float = 900.0  # to get ready at first: image pull, model load, queueing for a GPU
    silence_seconds: float = 1800.0  # in trouble, without having read a page in between
    probe_seconds: float = 0.02  # between the first two probes, or a little more; each later pause is twice as long
    longest_probe_seconds: float = 2.0
    longest_pause_seconds: float = 30.0  # before the first probe, where pages fail although probes succeed
    cold_seconds: float = 5.0  # an endpoint that was away so long has started anew


class Shut(Transient):
    """The gate shut while a page was waiting before it; nothing was sent."""


class EndpointGate:
    """Lets pages through to an endpoint that can read them.

    A probe opens it: at first, and again after trouble. An endpoint that has just started gets one page, and with each
    answer twice as many at a time, so that its autoscaler sees no burst. Without a page that wants through, nothing is
    asked for.
    """

    def __init__(self, recognizer: Recognizer, *, patience: Patience, announce: Callable[[str], None]) -> None:
        """Configure; nothing is sent before a page wants through.

        Args:
            recognizer: The endpoint.
            patience: When to give up.
            announce: Told what is being waited for.
        """
        self._recognizer = recognizer
        self._patience = patience
        self._announce = announce
        self._changed = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        self._open = False
        self._openings = 0
        self._stopped: Exception | None = None
        self._through = 0
        self._alone_wanted = 0
        self._width = math.inf  # pages through at once
        self._failures = 0  # in a row, without a page read in between
        self._silent_since = 0.0

    @property
    def is_open(self) -> bool:
        """Whether pages may be sent."""
        return self._open and not self._stopped

    async def ready(self) -> None:
        """Return when the gate is open; the first to ask wakes the endpoint.

        Raises:
            EndpointNeverAnswered: It did not get ready in time.
            PagemillError: What else the run was stopped by.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(self._wake())
        await self._until(lambda: self._open)

    @contextlib.asynccontextmanager
    async def passage(self, *, alone: bool = False) -> AsyncIterator[None]:
        """Let one page through. EndpointUnavailable, raised inside, shuts the gate for all.

        Args:
            alone: Let no other page be through meanwhile, so that whatever happens is this page's doing.

        Raises:
            Shut: The gate shut in the meantime; wait until it is `ready` and come again.
        """
        await self._enter(alone=alone)
        opening = self._openings
        try:
            yield
        except EndpointUnavailable as trouble:
            if opening == self._openings:  # older news than the last probe's is no news
                self._shut(trouble)
            raise
        else:
            self._answered()
        finally:
            self._through -= 1
            self._alone_wanted -= alone
            self._notify()

    def stop(self, error: Exception) -> None:
        """Let nobody through any more: whoever waits gets `error`."""
        self._stopped = self._stopped or error
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
            raise Shut("the endpoint is in trouble")
        self._through += 1

    def _has_room(self, *, alone: bool) -> bool:
        return not self._through if alone else not self._alone_wanted and self._through < self._width

    def _answered(self) -> None:
        self._failures = 0
        self._width *= 2

    def _shut(self, trouble: EndpointUnavailable) -> None:
        if not self.is_open:
            return
        if not self._failures:
            self._silent_since = time.monotonic()
        self._open = False
        self._failures += 1
        self._opening = asyncio.create_task(self._reopen(trouble))
        self._notify()

    async def _wake(self) -> None:
        patience = self._patience.wake_seconds
        await self._open_within(patience, f"did not get ready within {patience:g} s")

    async def _reopen(self, trouble: EndpointUnavailable) -> None:
        self._announce(f"the endpoint is in trouble: {trouble}")
        failing = f"read no page for {self._patience.silence_seconds:g} s"
        left = self._silent_since + self._patience.silence_seconds - time.monotonic()
        pause = self._backoff() if trouble.retry_after_seconds is None else trouble.retry_after_seconds
        await asyncio.sleep(min(pause, max(left, 0.0)))
        if pause < left:
            await self._open_within(left - pause, failing)
        else:
            self._give_up(failing, trouble)

    def _backoff(self) -> float:
        """None after one failure: the probe says how things are. After several, it has shown that it does not know."""
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
        except Exception as error:  # noqa: BLE001 -- whoever waits gets it; lost in this task, they would wait for ever
            self.stop(error)
        else:
            self._width = 1.0 if time.monotonic() - started > self._patience.cold_seconds else math.inf
            self._open = True
            self._openings += 1
            self._announce("reading")
            self._notify()

    def _give_up(self, failing: str, last: EndpointUnavailable) -> None:
        reason = f"the endpoint {failing}: {last}"
        self.stop(EndpointNeverAnswered(f"{reason}; see that it runs, then run again: finished pages are kept"))

    async def _probe(self, seconds: float) -> None:
        patience, deadline = self._patience, time.monotonic() + seconds

        def pause(error: Exception) -> bool | float:
            if not isinstance(error, EndpointUnavailable):
                return False
            self._announce(f"waiting for the endpoint: {error}")
            asked_for = error.retry_after_seconds
            return True if asked_for is None else min(asked_for, max(deadline - time.monotonic(), 0.0))

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
            if self._stopped:
                raise self._stopped
            if condition():
                return
            await self._changed.wait()

    def _notify(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()
