"""One page: render it, send it to the model, judge the answer, save the result."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pagemill.batch.asking import Asker
from pagemill.batch.byte_budget import ByteBudget
from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.chunks import DocumentFile
from pagemill.batch.climbing import PageClimb
from pagemill.batch.contamination import ContaminationCheck
from pagemill.batch.gate import EndpointGate, GateClosed
from pagemill.batch.page_results import PageResults
from pagemill.batch.progress import Progress
from pagemill.batch.steps import LadderSteps, Page
from pagemill.batch.stop import RunStop
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.judging.judge import Evidence
from pagemill.domain.judging.letters import DocumentLetters
from pagemill.domain.pages.model import Document, Mode, PageResult, Rendering, Status
from pagemill.domain.pages.retrying import Retry
from pagemill.domain.wording import encodable, shown
from pagemill.errors import (
    DocumentChanged,
    EndpointNeverAnswered,
    EndpointUnavailable,
    NameUnusable,
    PagemillError,
    PageUnreadable,
    RenderingLost,
    StoreUnusable,
    UsageError,
    out_of_resources,
)
from pagemill.ports import Rasterizer, Recognizer, SlotPool, Witness

_log = logging.getLogger(__name__)

_STOPPING = (EndpointNeverAnswered, StoreUnusable, UsageError)  # errors that no page can be read after


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How far rendering may run ahead of sending, and the model's window."""

    rendering: int = 4  # pages that the render workers have, including those that wait for a worker
    image_bytes: int = 64 * 2**20  # images in memory at once; may be exceeded by `rendering` images
    context_tokens: int = 8192  # the model's window, including the image


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs have left of a page."""

    refused: bool = False  # there are refused transcripts
    redo: bool = False  # it has a result, which is to be replaced by a better one


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
        witness: Witness | None = None,
        retry: Collection[Retry] = (),
    ) -> None:
        """Configure; nothing is read yet.

        Args:
            rasterizer: Renders pages.
            recognizer: Reads them.
            gate: Lets requests through to it.
            slots: Limits the pages in flight.
            checkpoints: Results and refused transcripts.
            progress: The counters of the run.
            stop: Why the run ends early.
            threads: For calls that block.
            limits: How far rendering may run ahead, and the model's window.
            witness: Is asked about doubtful pages; None: there is none.
            retry: Results of earlier runs that are not good enough.
        """
        self._rasterizer = rasterizer
        self._gate = gate
        self._slots = slots
        self._progress = progress
        self._stop = stop
        self._threads = threads
        self._limits = limits
        self._witness = witness
        self._max_tokens = checkpoints.recipe.max_tokens
        self._prompt = checkpoints.recipe.prompt
        self._skip_blank = checkpoints.recipe.mode is not Mode.FORCE
        self._letters: dict[str, DocumentLetters] = {}  # of the documents that are being read
        self._asker = Asker(
            recognizer, gate, progress, max_tokens=self._max_tokens, context_tokens=limits.context_tokens
        )
        self._results = PageResults(
            checkpoints, threads, retry=retry, min_score=progress.min_score, context_tokens=limits.context_tokens
        )
        self._contamination = ContaminationCheck(checkpoints, threads)
        self._rendering = asyncio.Semaphore(limits.rendering)
        self._images = ByteBudget(limits.image_bytes)
        self._steps = LadderSteps(
            rasterizer, self._asker, threads, self._images, witness=witness, min_score=progress.min_score
        )

    def expect_pages(self) -> None:
        """Get ready for pages: a document with pages to read is open."""
        self._gate.expect_pages()

    async def read(
        self, document: Document, file: DocumentFile, number: int, earlier: Earlier | None = None
    ) -> PageResult | None:
        """Read one page and save its result; None if the run stopped before the page had one.

        Any error of the page becomes its result, a defect of ours included. An error of the endpoint or of the
        destination stops the run.

        Raises:
            NameUnusable: Nothing can be saved in this document's folder.
        """
        try:
            result = await self._read(document, file, number, earlier or Earlier())
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
            self._progress.suspects += self._progress.is_suspect(result)
        return result

    async def settle(self, document_key: str) -> Mapping[int, PageResult]:
        """Wait until it is known which pages of a document hold text of another page.

        Returns:
            The results that changed, by page number.
        """
        changed = await self._contamination.settle(document_key)
        self._letters.pop(document_key, None)
        self._progress.suspects += sum(map(self._progress.is_suspect, changed.values()))
        return changed

    def close(self) -> None:
        """End what is left of an interrupted run."""
        self._contamination.close()

    async def _read(self, document: Document, file: DocumentFile, number: int, earlier: Earlier) -> PageResult | None:
        standing = await self._results.standing(document, number) if earlier.redo else None
        if standing and not self._results.is_to_redo(standing.result):
            return standing.result  # a run that was killed has done it
        if earlier.refused and not standing and (ended := await self._results.ended(document, number)):
            return ended
        page = Page(document, file, number, standing)
        try:
            return await self._read_anew(page)
        except (DocumentChanged, PageUnreadable) as error:
            return standing.result if standing else _failed(number, str(error))

    async def _read_anew(self, page: Page) -> PageResult | None:
        """Render the page, and read it.

        Raises:
            DocumentChanged: The file is no longer what was listed.
            PageUnreadable: The page cannot be rendered.
        """
        rendering = await self._render(page.file, page.number)
        if rendering is None:
            return None
        if rendering.png is None and not rendering.pieces:
            return await self._results.save(page.document, _without_model(rendering), (), page.standing)
        with contextlib.ExitStack() as images:
            climb = PageClimb(rendering, self._evidence(page.document, rendering), self._max_tokens)
            images.enter_context(self._images.holding(climb.picture.size_bytes))
            if blank := await self._steps.before_sending(climb, skip_blank=self._skip_blank):
                return await self._results.save(page.document, blank, (), page.standing)
            return await self._transcribe(page, climb, images)

    def _evidence(self, document: Document, rendering: Rendering) -> Evidence:
        letters = self._letters.setdefault(document.key, DocumentLetters())
        return replace(Evidence.of(rendering), prompt=self._prompt, letters=letters)

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

    async def _transcribe(self, page: Page, climb: PageClimb, images: contextlib.ExitStack) -> PageResult | None:
        """Send the page until it has a result. Failures of the endpoint that the page did not cause are waited out.

        Pieces that are read by then are not sent again. No slot is held while a witness looks at a page, or another
        picture of it is rendered.
        """
        while not self._stop.reason:
            if climb.is_asked:
                if result := await self._steps.next(page, climb, images):
                    return await self._save(page, climb, result)
                continue
            await self._gate.ready()
            async with self._slots.slot():
                if not self._gate.is_open:
                    continue
                try:
                    if result := await self._in_flight(page, climb):
                        return result
                except GateClosed:
                    continue
                except EndpointUnavailable as trouble:
                    if image := climb.picture.current:
                        image.count_failure(trouble)
        return None

    async def _in_flight(self, page: Page, climb: PageClimb) -> PageResult | None:
        """Ask about the picture. A result without doubts is saved at once; None: there is none yet.

        Raises:
            EndpointUnavailable: There was no answer.
            GateClosed: The endpoint failed on another page before this one was sent.
        """
        self._progress.in_flight += 1
        try:
            await self._asker.ask(climb, with_witness=self._witness is not None)
            await self._steps.finish(climb)
            best = climb.best
            if best and not self._steps.may_be_turned(climb, best):
                return await self._save(page, climb, climb.read(best))
            return None
        finally:
            self._progress.in_flight -= 1

    async def _save(self, page: Page, climb: PageClimb, result: PageResult) -> PageResult:
        saved = await self._results.save(page.document, result, climb.refusals(), page.standing)
        if saved is result and saved.trust and not self._progress.is_suspect(saved):
            self._letters.setdefault(page.document.key, DocumentLetters()).add(saved.markdown)
        if saved is result and climb.is_plain:
            self._contamination.follow(page.document, saved, climb)
        return saved


def _failed(number: int, reason: str) -> PageResult:
    return PageResult(number, Status.FAILED, objections=(encodable(reason),))


def _without_model(rendering: Rendering) -> PageResult:
    status = Status.BLANK if rendering.blank else Status.TEXT_LAYER
    return PageResult(
        rendering.number, status, rendering.text or "", objections=rendering.objections, dpi=rendering.dpi
    )
