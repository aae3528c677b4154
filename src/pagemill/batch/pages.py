"""One page: draw it, ask the model, judge the answer, save the result."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import stamina

from pagemill.batch.progress import Progress
from pagemill.domain import assembly, keys
from pagemill.domain.model import Document, PageResult, Recipe, Rendering, Status, Transcript
from pagemill.domain.quality import objections
from pagemill.errors import (
    EndpointNeverAnswered,
    PagemillError,
    PageUnreadable,
    PreconditionFailed,
    RequestRejected,
    StoreUnusable,
    Transient,
    UsageError,
)
from pagemill.ports import ABSENT, ObjectStore, Rasterizer, Recognizer, SlotPool


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How far drawing may run ahead of sending, and how patiently a page is asked for."""

    drawing: int = 4  # pages at the render workers, the next ones included
    drawn_bytes: int = 64 * 2**20  # images held at once; exceeded by `drawing` images at most
    sends: int = 5  # of one question that gets no answer
    context_tokens: int = 8192  # the model's window, image included


class PageReader:
    """Reads pages for all documents of a run: they share the render workers, the slots and the endpoint."""

    def __init__(
        self,
        *,
        rasterizer: Rasterizer,
        recognizer: Recognizer,
        slots: SlotPool,
        destination: ObjectStore,
        recipe: Recipe,
        progress: Progress,
        limits: PageLimits,
    ) -> None:
        self._rasterizer = rasterizer
        self._recognizer = recognizer
        self._slots = slots
        self._destination = destination
        self._recipe = recipe
        self._progress = progress
        self._limits = limits
        self._drawing = asyncio.Semaphore(limits.drawing)
        self._drawn = _ByteBudget(limits.drawn_bytes)
        self._waking: asyncio.Task[None] | None = None
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

    async def close(self) -> None:
        """Stop waiting for the endpoint."""
        if self._waking:
            self._waking.cancel()
            await asyncio.wait([self._waking])

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
            await self._awake()
            async with self._slots.slot():
                return await self._in_flight(document, number, rendering.png)

    async def _draw(self, path: Path, number: int) -> Rendering | None:
        async with self._drawing:
            await self._drawn.room()
            return None if self.stopped_by else await self._rasterizer.render(path, number)

    async def _in_flight(self, document: Document, number: int, image: bytes) -> PageResult | None:
        if self.stopped_by:
            return None
        self._progress.in_flight += 1
        try:
            result = await self._transcribe(number, image)
            await self._save(document, result)
            return result
        finally:
            self._progress.in_flight -= 1

    async def _transcribe(self, number: int, image: bytes) -> PageResult:
        """Ask; ask once more if there is anything wrong with the answer."""
        page = _Attempts(number)
        try:
            transcript = await self._ask(page, image, self._recipe.max_tokens)
            if page.objections:
                transcript = await self._ask(page, image, self._most_tokens(transcript))
        except (RequestRejected, Transient) as error:
            page.objections.append(str(error))
            return page.result(Status.FAILED)
        wrong = objections(transcript)
        return page.result(Status.FAILED if wrong else Status.OK, "" if wrong else transcript.markdown)

    def _most_tokens(self, transcript: Transcript) -> int:
        """What the context leaves beside the image; an endpoint that does not count tokens gets no more than before."""
        left = self._limits.context_tokens - transcript.prompt_tokens if transcript.prompt_tokens else 0
        return max(left, self._recipe.max_tokens)

    async def _ask(self, page: _Attempts, image: bytes, max_tokens: int) -> Transcript:
        async for attempt in stamina.retry_context(on=Transient, attempts=self._limits.sends, wait_max=20.0):
            with attempt:
                page.sends += 1
                self._progress.sent()
                try:
                    transcript = await self._recognizer.read(image, max_tokens=max_tokens)
                finally:
                    self._progress.answered()
                page.prompt_tokens += transcript.prompt_tokens
                page.completion_tokens += transcript.completion_tokens
                page.objections += objections(transcript)
        return transcript

    async def _awake(self) -> None:
        """Wait for the endpoint; the first page wakes it, for all."""
        if self._waking is None:
            self._waking = asyncio.create_task(self._recognizer.wake())
        await asyncio.shield(self._waking)

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


class _Attempts:
    """What asking for a page took, over all questions."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.sends = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.objections: list[str] = []
        self._started = time.monotonic()

    def result(self, status: Status, markdown: str = "") -> PageResult:
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
