"""One page: render it, send it to the model, judge the answer, save the result."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.gate import EndpointGate, GateClosed
from pagemill.batch.progress import Progress
from pagemill.batch.stop import RunStop
from pagemill.domain.pages.model import Document, PageResult, Rendering, Status, Transcript
from pagemill.domain.pages.quality import objections
from pagemill.domain.wording import counted
from pagemill.errors import (
    EndpointNeverAnswered,
    EndpointUnavailable,
    NameUnusable,
    PagemillError,
    PageUnreadable,
    RequestRejected,
    StoreUnusable,
    UsageError,
)
from pagemill.ports import Rasterizer, Recognizer, SlotPool

_SUSPECT_AFTER = 3  # failures that the page may have caused; from then on it is sent alone
_GIVE_UP_AFTER = 5  # such failures, if the endpoint then reads another image
_EXCUSED_AFTER = 2  # failures on the other image in a row; one may be chance
_STOPPING = (EndpointNeverAnswered, StoreUnusable, UsageError)  # errors that no page can be read after
_MOST_ANSWERS = 2  # a second answer is asked for only if the first has a defect


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How far rendering may run ahead of sending, and the model's window."""

    rendering: int = 4  # pages that the render workers have, including those that wait for a worker
    image_bytes: int = 64 * 2**20  # images in memory at once; may be exceeded by `rendering` images
    context_tokens: int = 8192  # the model's window, including the image


class PageReader:
    """Reads the pages of all documents of a run. They share the render workers, the slots and the endpoint."""

    def __init__(
        self,
        *,
        rasterizer: Rasterizer,
        recognizer: Recognizer,
        gate: EndpointGate,
        slots: SlotPool,
        checkpoints: Checkpoints,
        progress: Progress,
        stop: RunStop,
        limits: PageLimits,
    ) -> None:
        self._rasterizer = rasterizer
        self._recognizer = recognizer
        self._gate = gate
        self._slots = slots
        self._checkpoints = checkpoints
        self._progress = progress
        self._stop = stop
        self._limits = limits
        self._rendering = asyncio.Semaphore(limits.rendering)
        self._images = _ByteBudget(limits.image_bytes)

    async def read(self, document: Document, path: Path, number: int) -> PageResult | None:
        """Read one page and save its result; None if the run stopped before the page had one.

        An error of the page becomes its result. An error of the endpoint or of the destination stops the run.

        Raises:
            NameUnusable: Nothing can be saved in this document's folder.
        """
        try:
            result = await self._read(document, path, number)
        except NameUnusable:
            raise
        except PagemillError as error:
            if error is not self._stop.reason and not isinstance(error, _STOPPING):
                raise
            self._stop.now(error)
            return None
        if result:
            self._progress.statuses[result.status] += 1
        return result

    async def _read(self, document: Document, path: Path, number: int) -> PageResult | None:
        try:
            rendering = await self._render(path, number)
        except PageUnreadable as error:
            return PageResult(number, Status.FAILED, objections=(str(error),))
        if rendering is None:
            return None
        if rendering.png is None:
            result = _without_model(rendering)
            await self._save(document, result)
            return result
        with self._images.holding(len(rendering.png)):
            return await self._transcribe(
                document, _PageAttempts(number, rendering.png, self._checkpoints.recipe.max_tokens)
            )

    async def _render(self, path: Path, number: int) -> Rendering | None:
        async with self._rendering:
            await self._images.room()
            return None if self._stop.reason else await self._rasterizer.render(path, number)

    async def _transcribe(self, document: Document, page: _PageAttempts) -> PageResult | None:
        """Send the page until it has a result. Failures of the endpoint that the page did not cause are waited out."""
        while not self._stop.reason:
            await self._gate.ready()
            async with self._slots.slot():
                if not self._gate.is_open:
                    continue
                try:
                    return await self._in_flight(document, page)
                except GateClosed:
                    continue
                except EndpointUnavailable as trouble:
                    page.count_failure(trouble)
        return None

    async def _in_flight(self, document: Document, page: _PageAttempts) -> PageResult:
        self._progress.in_flight += 1
        try:
            result = await self._ask(page)
            await self._save(document, result)
            return result
        finally:
            self._progress.in_flight -= 1

    async def _ask(self, page: _PageAttempts) -> PageResult:
        """Ask the model, and once more if the answer has a defect.

        Raises:
            EndpointUnavailable: There was no answer.
            GateClosed: The endpoint failed on another page before this one was sent.
        """
        while page.answers < _MOST_ANSWERS:
            async with self._gate.passage(alone=page.suspect):
                if page.to_be_given_up:
                    return await self._verify_endpoint(page)
                try:
                    transcript = await self._send(page)
                except RequestRejected as error:
                    page.objections.append(str(error))
                    return page.result(Status.FAILED)
            defects = objections(transcript)
            if not defects:
                return page.result(Status.OK, transcript.markdown)
            page.objections += defects
            page.max_tokens = self._most_tokens(transcript)
        return page.result(Status.FAILED)

    async def _verify_endpoint(self, page: _PageAttempts) -> PageResult:
        """Send another image. If the endpoint answers, it works, and the page itself is the cause of its failures."""
        try:
            await self._recognizer.prove()
        except RequestRejected:
            pass  # a 4xx answer still proves that the engine works
        except EndpointUnavailable as trouble:
            page.excuse()
            raise EndpointUnavailable(str(trouble), retry_after_seconds=trouble.retry_after_seconds) from trouble
        return page.result(Status.FAILED)

    def _most_tokens(self, transcript: Transcript) -> int:
        """The tokens that the context has left beside the image; unchanged if the endpoint counts no tokens."""
        left = self._limits.context_tokens - transcript.prompt_tokens if transcript.prompt_tokens else 0
        return max(left, self._checkpoints.recipe.max_tokens)

    async def _send(self, page: _PageAttempts) -> Transcript:
        page.sends += 1
        self._progress.sent()
        try:
            transcript = await self._recognizer.read(page.image, max_tokens=page.max_tokens)
        finally:
            self._progress.answered()
        page.answers += 1
        page.prompt_tokens += transcript.prompt_tokens
        page.completion_tokens += transcript.completion_tokens
        return transcript

    async def _save(self, document: Document, result: PageResult) -> None:
        await asyncio.to_thread(self._checkpoints.write, document, result)


class _PageAttempts:
    """A page that is sent: its attempts so far, and the failures that it may have caused."""

    def __init__(self, number: int, image: bytes, max_tokens: int) -> None:
        self.number = number
        self.image = image
        self.max_tokens = max_tokens
        self.sends = 0
        self.answers = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.objections: list[str] = []
        self._suspicious_failures = 0
        self._excuses = 0
        self._troubles: Counter[str] = Counter()
        self._started = time.monotonic()

    @property
    def suspect(self) -> bool:
        """Whether to send it alone. Before, a failure counts for every page that is in flight at that moment."""
        return self._suspicious_failures >= _SUSPECT_AFTER

    @property
    def to_be_given_up(self) -> bool:
        """Whether to give it up, provided that the endpoint reads another image."""
        return self._suspicious_failures >= _GIVE_UP_AFTER

    def count_failure(self, trouble: EndpointUnavailable) -> None:
        """Count a failure of the endpoint that the page may have caused."""
        if trouble.page_may_be_the_cause:
            self._suspicious_failures += 1
            self._troubles[str(trouble)] += 1

    def excuse(self) -> None:
        """Note that the endpoint failed on another image, too. The second time, one failure is no longer counted."""
        self._excuses += 1
        if self._excuses == _EXCUSED_AFTER:
            self._suspicious_failures, self._excuses = self._suspicious_failures - 1, 0

    def result(self, status: Status, markdown: str = "") -> PageResult:
        """The page's result. Failures of the endpoint are part of it only if the page failed."""
        if status is Status.FAILED:
            self.objections += [f"{trouble} ({counted(times, 'time')})" for trouble, times in self._troubles.items()]
        return PageResult(
            self.number,
            status,
            markdown,
            objections=tuple(self.objections),
            attempts=self.sends,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            seconds=round(time.monotonic() - self._started, 3),
        )


class _ByteBudget:
    """Bounds the bytes of the images in memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def room(self) -> None:
        await self._has_room.wait()

    @contextlib.contextmanager
    def holding(self, size_bytes: int) -> Iterator[None]:
        self._hold(size_bytes)
        try:
            yield
        finally:
            self._hold(-size_bytes)

    def _hold(self, size_bytes: int) -> None:
        self._held += size_bytes
        if self._held < self._limit:
            self._has_room.set()
        else:
            self._has_room.clear()


def _without_model(rendering: Rendering) -> PageResult:
    status = Status.BLANK if rendering.blank else Status.TEXT_LAYER
    return PageResult(rendering.number, status, rendering.text or "")
