"""One page: render it, send it to the model, judge the answer, save the result."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from pagemill.batch.attempts import ImageAttempts, PageAttempts
from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.chunks import DocumentFile
from pagemill.batch.gate import EndpointGate, GateClosed
from pagemill.batch.progress import Progress
from pagemill.batch.stop import RunStop
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.judging.judge import Evidence, is_empty, judge
from pagemill.domain.pages.model import Document, PageResult, Rendering, Status, Transcript
from pagemill.domain.wording import encodable, shown
from pagemill.errors import (
    DocumentChanged,
    EndpointNeverAnswered,
    EndpointUnavailable,
    NameUnusable,
    PagemillError,
    PageUnreadable,
    RenderingLost,
    RequestRejected,
    StoreUnusable,
    UsageError,
    out_of_resources,
)
from pagemill.ports import Rasterizer, Recognizer, SlotPool

_log = logging.getLogger(__name__)

_STOPPING = (EndpointNeverAnswered, StoreUnusable, UsageError)  # errors that no page can be read after


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
        threads: BlockingCalls,
        limits: PageLimits,
    ) -> None:
        self._rasterizer = rasterizer
        self._recognizer = recognizer
        self._gate = gate
        self._slots = slots
        self._checkpoints = checkpoints
        self._progress = progress
        self._stop = stop
        self._threads = threads
        self._limits = limits
        self._rendering = asyncio.Semaphore(limits.rendering)
        self._images = _ByteBudget(limits.image_bytes)

    def expect_pages(self) -> None:
        """Get ready for pages: a document with pages to read is open."""
        self._gate.expect_pages()

    async def read(self, document: Document, file: DocumentFile, number: int) -> PageResult | None:
        """Read one page and save its result; None if the run stopped before the page had one.

        Any error of the page becomes its result, a defect of ours included. An error of the endpoint or of the
        destination stops the run.

        Raises:
            NameUnusable: Nothing can be saved in this document's folder.
        """
        try:
            result = await self._read(document, file, number)
        except NameUnusable:
            raise
        except PagemillError as error:
            if error is self._stop.reason or isinstance(error, _STOPPING):
                self._stop.now(error)
                return None
            result = _failed(number, str(error))
        except Exception as error:  # noqa: BLE001 -- a defect of ours must not cost the other pages
            if trouble := out_of_resources(error):
                self._stop.now(trouble)
                return None
            _log.exception("%s, page %d", shown(document.key), number)
            result = _failed(number, f"an unforeseen error: {type(error).__name__}: {error}; please report it")
        if result:
            self._progress.statuses[result.status] += 1
        return result

    async def _read(self, document: Document, file: DocumentFile, number: int) -> PageResult | None:
        try:
            rendering = await self._render(file, number)
        except (DocumentChanged, PageUnreadable) as error:
            return _failed(number, str(error))
        if rendering is None:
            return None
        if rendering.png is None and not rendering.pieces:
            result = _without_model(rendering)
            await self._save(document, result)
            return result
        page = PageAttempts(rendering, self._checkpoints.recipe.max_tokens)
        with self._images.holding(page.size_bytes):
            return await self._transcribe(document, page)

    async def _render(self, file: DocumentFile, number: int) -> Rendering | None:
        """Render a page; None if the run has stopped.

        A file that is unchanged after the rendering was unchanged before it. So each rendering is of the bytes that
        were listed, and of a file that is changed, what was rendered before can still be used.

        Raises:
            DocumentChanged: The file is no longer what was listed.
            PageUnreadable: The page cannot be rendered, or is not tried after too many others of its document.
        """
        async with self._rendering:
            await self._images.room()
            if self._stop.reason:
                return None
            file.lost_pages.check()
            await self._threads.checks(file.check)
            try:
                rendering = await self._rasterizer.render(file.path, number)
            except PageUnreadable as error:
                if isinstance(error, RenderingLost):
                    file.lost_pages.add(number, error)
                else:
                    file.lost_pages.end_row()
                await self._threads.checks(file.check)
                raise
            file.lost_pages.end_row()
            await self._threads.checks(file.check)
            return rendering

    async def _transcribe(self, document: Document, page: PageAttempts) -> PageResult | None:
        """Send the page until it has a result. Failures of the endpoint that the page did not cause are waited out.

        Pieces that are read by then are not sent again.
        """
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
                    if page.current:
                        page.current.count_failure(trouble)
        return None

    async def _in_flight(self, document: Document, page: PageAttempts) -> PageResult:
        self._progress.in_flight += 1
        try:
            result = await self._ask(page)
            await self._save(document, result)
            return result
        finally:
            self._progress.in_flight -= 1

    async def _ask(self, page: PageAttempts) -> PageResult:
        """Ask the model about each image of the page, one after the other, until one cannot be read.

        Raises:
            EndpointUnavailable: There was no answer.
            GateClosed: The endpoint failed on another page before this one was sent.
        """
        while image := page.current:
            if not await self._is_read(image):
                return page.failed()
        return await self._threads.saves(page.read) if page.is_divided else page.read()

    async def _is_read(self, image: ImageAttempts) -> bool:
        """Ask the model, and once more if the answer has a defect; tell whether the image now has a text."""
        while not image.answered_enough:
            async with self._gate.passage(alone=image.suspect):
                if image.to_be_given_up:
                    await self._verify_endpoint(image)
                    return False
                try:
                    transcript = await self._send(image)
                except RequestRejected as error:
                    image.objections.append(str(error))
                    return False
            judgement = judge(transcript, Evidence())
            if not judgement.refused:
                image.text = judgement.text
                return True
            image.objections += [finding.words for finding in judgement.findings]
            image.max_tokens = self._most_tokens(transcript)
        if image.may_be_empty and is_empty(transcript):
            image.text = ""  # a piece of a drawing, which may show nothing but lines
        return image.text is not None

    async def _verify_endpoint(self, image: ImageAttempts) -> None:
        """Send another image. If the endpoint answers, it works, and the image itself is the cause of its failures."""
        try:
            await self._recognizer.prove()
        except RequestRejected:
            pass  # a 4xx answer still proves that the engine works
        except EndpointUnavailable as trouble:
            image.excuse()
            raise type(trouble)(str(trouble), retry_after_seconds=trouble.retry_after_seconds) from trouble

    def _most_tokens(self, transcript: Transcript) -> int:
        """The tokens that the context has left beside the image; unchanged if the endpoint counts no tokens."""
        left = self._limits.context_tokens - transcript.prompt_tokens if transcript.prompt_tokens else 0
        return max(left, self._checkpoints.recipe.max_tokens)

    async def _send(self, image: ImageAttempts) -> Transcript:
        image.sends += 1
        self._progress.sent()
        try:
            transcript = await self._recognizer.read(image.png, max_tokens=image.max_tokens)
        finally:
            self._progress.answered()
        image.add(transcript)
        return transcript

    async def _save(self, document: Document, result: PageResult) -> None:
        await self._threads.saves(self._checkpoints.write, document, result)


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


def _failed(number: int, reason: str) -> PageResult:
    return PageResult(number, Status.FAILED, objections=(encodable(reason),))


def _without_model(rendering: Rendering) -> PageResult:
    status = Status.BLANK if rendering.blank else Status.TEXT_LAYER
    return PageResult(
        rendering.number, status, rendering.text or "", objections=rendering.objections, dpi=rendering.dpi
    )
