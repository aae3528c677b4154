"""One page: draw it, ask the model, judge the answer, save the result."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pagemill.batch.gate import EndpointGate, Shut
from pagemill.batch.progress import Progress
from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.model import Document, PageResult, Recipe, Rendering, Status, Transcript
from pagemill.domain.pages.quality import objections
from pagemill.domain.wording import counted
from pagemill.errors import (
    EndpointNeverAnswered,
    EndpointUnavailable,
    PagemillError,
    PageUnreadable,
    PreconditionFailed,
    RequestRejected,
    StoreUnusable,
    UsageError,
)
from pagemill.ports import ABSENT, ObjectStore, Rasterizer, Recognizer, SlotPool

_SUSPECTED_AFTER = 3  # failures that the page may be the cause of; then it is sent while no other page is in flight
_CONDEMNED_AFTER = 5  # such failures, if the endpoint then reads something else
_MOST_DOUBTS = 2  # one failure on something else may be chance
_MOST_ANSWERS = 2  # the second only if the first will not do


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How far drawing may run ahead of sending, and how patiently a page is asked for."""

    drawing: int = 4  # pages at the render workers, the next ones included
    drawn_bytes: int = 64 * 2**20  # images held at once; exceeded by `drawing` images at most
    context_tokens: int = 8192  # the model's window, image included


class PageReader:
    """Reads pages for all documents of a run: they share the render workers, the slots and the endpoint."""

    def __init__(
        self,
        *,
        rasterizer: Rasterizer,
        recognizer: Recognizer,
        gate: EndpointGate,
        slots: SlotPool,
        destination: ObjectStore,
        recipe: Recipe,
        progress: Progress,
        limits: PageLimits,
    ) -> None:
        self._rasterizer = rasterizer
        self._recognizer = recognizer
        self._gate = gate
        self._slots = slots
        self._destination = destination
        self._recipe = recipe
        self._progress = progress
        self._limits = limits
        self._drawing = asyncio.Semaphore(limits.drawing)
        self._drawn = _ByteBudget(limits.drawn_bytes)
        self.stopped_by: PagemillError | None = None  # set once nothing more can be read

    async def read(self, document: Document, path: Path, number: int) -> PageResult | None:
        """Read one page and save its result; None if the run stopped before the page had one.

        Whatever happens to a page becomes its result; what happens to the endpoint or the destination as a whole stops
        the run, and `stopped_by` says why.
        """
        try:
            result = await self._read(document, path, number)
        except (EndpointNeverAnswered, StoreUnusable, UsageError) as error:
            self.stop(error)
            return None
        if result:
            self._progress.statuses[result.status] += 1
        return result

    def stop(self, error: PagemillError) -> None:
        """Begin nothing more; what is in flight ends in its own time. The first reason counts."""
        self.stopped_by = self.stopped_by or error
        self._gate.stop(error)

    async def _read(self, document: Document, path: Path, number: int) -> PageResult | None:
        try:
            rendering = await self._draw(path, number)
        except PageUnreadable as error:
            return PageResult(number, Status.FAILED, objections=(str(error),))
        if rendering is None:
            return None
        if rendering.png is None:
            result = _without_model(rendering)
            await self._save(document, result)
            return result
        with self._drawn.holding(len(rendering.png)):
            return await self._transcribe(document, _Page(number, rendering.png, self._recipe.max_tokens))

    async def _draw(self, path: Path, number: int) -> Rendering | None:
        async with self._drawing:
            await self._drawn.room()
            return None if self.stopped_by else await self._rasterizer.render(path, number)

    async def _transcribe(self, document: Document, page: _Page) -> PageResult | None:
        """Have the page read, through all troubles of the endpoint that are not the page's own doing."""
        while not self.stopped_by:
            await self._gate.ready()
            async with self._slots.slot():
                if not self._gate.is_open:
                    continue
                try:
                    return await self._in_flight(document, page)
                except Shut:
                    continue
                except EndpointUnavailable as trouble:
                    page.blame(trouble)
        return None

    async def _in_flight(self, document: Document, page: _Page) -> PageResult:
        self._progress.in_flight += 1
        try:
            result = await self._converse(page)
            await self._save(document, result)
            return result
        finally:
            self._progress.in_flight -= 1

    async def _converse(self, page: _Page) -> PageResult:
        """Ask; ask once more if there is anything wrong with the answer.

        Raises:
            EndpointUnavailable: There was no answer.
            Shut: Other pages' troubles came first.
        """
        while page.answers < _MOST_ANSWERS:
            async with self._gate.passage(alone=page.suspected):
                if page.exhausted:
                    return await self._confront(page)
                try:
                    transcript = await self._ask(page)
                except RequestRejected as error:
                    page.objections.append(str(error))
                    return page.result(Status.FAILED)
            wrong = objections(transcript)
            if not wrong:
                return page.result(Status.OK, transcript.markdown)
            page.objections += wrong
            page.max_tokens = self._most_tokens(transcript)
        return page.result(Status.FAILED)

    async def _confront(self, page: _Page) -> PageResult:
        """Have something else read: an endpoint that does that fails on the page for a reason of the page's own."""
        try:
            await self._recognizer.prove()
        except RequestRejected:
            pass  # it has an opinion: it works
        except EndpointUnavailable as trouble:
            page.doubt()
            raise EndpointUnavailable(str(trouble), retry_after_seconds=trouble.retry_after_seconds) from trouble
        return page.result(Status.FAILED)

    def _most_tokens(self, transcript: Transcript) -> int:
        """What the context leaves beside the image; an endpoint that does not count tokens gets no more than before."""
        left = self._limits.context_tokens - transcript.prompt_tokens if transcript.prompt_tokens else 0
        return max(left, self._recipe.max_tokens)

    async def _ask(self, page: _Page) -> Transcript:
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
        """Write the checkpoint. Failed pages have none: the next run tries them again."""
        if result.status is Status.FAILED:
            return
        key = keys.checkpoint(document, self._recipe, result.number)
        body = assembly.to_json(result).encode()
        with contextlib.suppress(PreconditionFailed):  # somebody else read the page first, and that result counts
            await asyncio.to_thread(
                self._destination.write, key, body, content_type="application/json", if_version=ABSENT
            )


class _Page:
    """A page that is being asked for: what it took so far, and what can be held against it."""

    def __init__(self, number: int, image: bytes, max_tokens: int) -> None:
        self.number = number
        self.image = image
        self.max_tokens = max_tokens
        self.sends = 0
        self.answers = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.objections: list[str] = []
        self._blamed = 0
        self._doubts = 0
        self._troubles: Counter[str] = Counter()
        self._started = time.monotonic()

    @property
    def suspected(self) -> bool:
        """Whether it is to be sent alone: all pages in flight when the endpoint fails are blamed at first."""
        return self._blamed >= _SUSPECTED_AFTER

    @property
    def exhausted(self) -> bool:
        """Whether it is not to be sent again, unless the endpoint turns out to read nothing else either."""
        return self._blamed >= _CONDEMNED_AFTER

    def blame(self, trouble: EndpointUnavailable) -> None:
        """Note what the endpoint did when it had the page, where that may be the page's doing."""
        if trouble.page_may_be_the_cause:
            self._blamed += 1
            self._troubles[str(trouble)] += 1

    def doubt(self) -> None:
        """Note that the endpoint failed on something else as well; the second time in a row takes one blame back."""
        self._doubts += 1
        if self._doubts == _MOST_DOUBTS:
            self._blamed, self._doubts = self._blamed - 1, 0

    def result(self, status: Status, markdown: str = "") -> PageResult:
        """What became of it; troubles that it survived are not worth telling."""
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
    """Bounds the bytes of images held."""

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
