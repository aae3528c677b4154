"""The documents of a run: found, opened, read in portions, published."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from pagemill.batch import outcomes, publishing
from pagemill.batch.outcomes import Finished
from pagemill.batch.pages import PageReader
from pagemill.batch.portions import BatchLimits, Perform, Portion, SurveyedDocument
from pagemill.batch.progress import Progress
from pagemill.domain.pages.manifest import Manifest, Tally
from pagemill.domain.pages.model import Document, PageResult, Recipe, Refusal, Status
from pagemill.domain.pages.planning import PageSelection, chunks
from pagemill.domain.pages.sharding import ShardPlan, Work
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.errors import DocumentUnreadable, PagemillError, StoreUnusable
from pagemill.ports import DocumentSource, ObjectStore, Rasterizer

_log = logging.getLogger(__name__)


Handle = Callable[[Work, Path], Awaitable[DocumentOutcome | None]]


class Batch:
    """One run over a source.

    Portions begin one after the other, in the order of the documents; the last pages of one are in flight while the
    next begins, so that the endpoint never waits for a document's end, and early documents are finished early.
    """

    def __init__(
        self,
        *,
        source: DocumentSource,
        destination: ObjectStore,
        rasterizer: Rasterizer,
        reader: PageReader,
        recipe: Recipe,
        selection: PageSelection,
        progress: Progress,
        usd_per_second: float,
        max_in_flight: int,
        limits: BatchLimits | None = None,
        plan: ShardPlan | None = None,
    ) -> None:
        """Configure; a batch with a plan is a shard, which reads what the plan says of the source."""
        self.progress = progress
        self._source = source
        self.destination = destination
        self._rasterizer = rasterizer
        self._reader = reader
        self.recipe = recipe
        self._selection = selection
        self.usd_per_second = usd_per_second
        self.usd_per_page_second = usd_per_second / max_in_flight
        self._plan = plan
        self._limits = limits or BatchLimits()
        self._pages = asyncio.Semaphore(self._limits.pages)
        self._unlisted: StoreUnusable | None = None
        self._failed: dict[str, dict[int, PageResult]] = {}  # of documents that somebody else publishes
        self._turn = asyncio.Lock()  # held by the document whose pages are being started

    async def run(self, run_id: str, perform: Perform | None = None) -> RunSummary:
        """Read every document of the source, and write `_runs/<run id>/summary.json`.

        A bad page costs itself, a bad document costs itself; what stops the whole run is the summary's `stopped_by`.

        Args:
            run_id: Names the run.
            perform: Calls `read` with the portion it is given, under whatever watches over it; default: `read` itself.
        """
        self.progress.begin()
        try:
            await self._documents(partial(self._read_document, perform=perform or self.read))
            summary = self._summary(run_id)
            if self._plan:
                await asyncio.to_thread(publishing.write_failures, self.destination, run_id, self._failed)
            await asyncio.to_thread(publishing.write_summary, self.destination, summary)
        except StoreUnusable as error:
            self._reader.stop(error)
            return self._summary(run_id)
        return summary

    async def plan(self) -> list[Work]:
        """Open every document as a run does, and return those that are left to read; others have their outcome."""
        works: list[Work] = []

        async def note(work: Work, _path: Path) -> None:
            works.append(work)

        self.progress.begin()
        try:
            await self._documents(note)
        except StoreUnusable as error:
            self._reader.stop(error)
        return [] if self._reader.stopped_by else works

    @property
    def stopped_by(self) -> PagemillError | None:
        """Why the run ends early."""
        return self._reader.stopped_by or self._unlisted

    async def survey(self) -> list[SurveyedDocument]:
        """Open every document and tell what a run would read; sends and writes nothing.

        Raises:
            StoreUnusable: The source cannot be read.
        """
        return [await self._survey(entry) async for entry in self._entries()]

    async def read(self, portion: Portion) -> None:
        """Read a portion's pages; each ends with a result, unless the run stops first."""
        async with asyncio.TaskGroup() as pages:
            for number in portion.numbers:
                await self._pages.acquire()
                if self._reader.stopped_by:
                    self._pages.release()
                    break
                pages.create_task(self._page(portion, number))
            portion.on_its_way.set()

    async def _page(self, portion: Portion, number: int) -> None:
        try:
            result = await self._reader.read(portion.document, portion.path, number)
        finally:
            self._pages.release()
        if result and result.status is Status.FAILED:
            portion.failed[number] = result

    async def _documents(self, handle: Handle) -> None:
        await asyncio.to_thread(self.destination.check_writable)
        places = asyncio.Semaphore(self._limits.documents)
        async with asyncio.TaskGroup() as documents:
            try:
                async for entry in self._entries():
                    await places.acquire()
                    if self._reader.stopped_by:
                        break
                    self.progress.documents += 1
                    task = documents.create_task(self._document(entry, handle))
                    task.add_done_callback(lambda _: places.release())
            except StoreUnusable as error:  # caught here: the documents already found are read to their end
                self._unlisted = error
            self.progress.listed = True
            if self.progress.requests == 0:  # later, it is the endpoint that has something to say
                self.progress.announce("drawing the first pages")

    async def _entries(self) -> AsyncIterator[Document | Refusal]:
        """The source's entries, listed in a thread; a shard has its own."""
        if self._plan:
            for piece in self._plan.pieces.values():
                yield piece.document
            return
        entries = self._source.documents()
        while entry := await asyncio.to_thread(next, entries, None):
            yield entry

    def _selected(self, document: Document, page_count: int) -> tuple[int, ...]:
        if self._plan:
            return self._plan.selected(document.key, page_count)
        return self._selection.of(page_count)

    def _summary(self, run_id: str) -> RunSummary:
        return self.progress.summary(
            run_id,
            destination=self.destination.name,
            usd_per_second=self.usd_per_second,
            stopped_by=self.stopped_by,
        )

    async def _document(self, entry: Document | Refusal, handle: Handle) -> None:
        started = time.monotonic()
        try:
            outcome = await self._outcome(entry, handle)
        except StoreUnusable as error:
            self._reader.stop(error)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not cost the other documents
            _log.exception("%s", entry.key)
            reason = f"an unforeseen error: {type(error).__name__}: {error}; please report it"
            self.progress.outcomes.append(DocumentOutcome(entry.key, 0, {}, error=reason))
        else:
            if outcome:
                self.progress.outcomes.append(replace(outcome, seconds=time.monotonic() - started))

    async def _outcome(self, entry: Document | Refusal, handle: Handle) -> DocumentOutcome | None:
        if isinstance(entry, Refusal):
            return await self._unreadable(Document(entry.key, version="", size_bytes=0), entry.reason)
        try:
            return await self._opened(entry, handle)
        except DocumentUnreadable as error:
            return await self._unreadable(entry, str(error))

    async def _opened(self, document: Document, handle: Handle) -> DocumentOutcome | None:
        """Hand an opened document to `handle`, unless an earlier run left nothing to do for it."""
        receipt = await asyncio.to_thread(publishing.receipt_of, self.destination, document.key)
        if receipt:
            selected = self._selected(document, receipt.page_count)
            if receipt.settles(document, self.recipe, selected):
                self.progress.pages_planned += len(selected)
                return self._counted(outcomes.settled(document.key, receipt, selected))
        async with self._local_copy(document) as path:
            page_count = await self._rasterizer.page_count(path)
            done = await self._checkpointed(document)
            work = Work(document, page_count, self._selected(document, page_count), done)
            self.progress.pages_planned += len(work.selected)
            return await handle(work, path) if work.selected else DocumentOutcome(document.key, 0, {})

    async def _read_document(self, work: Work, path: Path, perform: Perform) -> DocumentOutcome | None:
        failed: dict[int, PageResult] = {}
        await self._read_pages(work.document, path, work.left, failed, perform)
        if self._reader.stopped_by:
            return None
        if self._plan and not self._plan.pieces[work.document.key].whole:
            self._failed[work.document.key] = failed
            finished = await asyncio.to_thread(outcomes.unpublished, self.destination, self.recipe, work, failed)
        else:
            price = self.usd_per_page_second
            finished = await asyncio.to_thread(
                outcomes.published, self.destination, self.recipe, work, failed, usd_per_page_second=price
            )
        return self._counted(finished)

    async def _read_pages(
        self, document: Document, path: Path, numbers: Sequence[int], failed: dict[int, PageResult], perform: Perform
    ) -> None:
        async with asyncio.TaskGroup() as portions, self._turn:
            for some in chunks(numbers, size=self._limits.portion_pages):
                if self._reader.stopped_by:
                    break
                portion = Portion(document, path, some, failed)
                performing = portions.create_task(perform(portion))
                on_its_way = asyncio.create_task(portion.on_its_way.wait())
                await asyncio.wait([performing, on_its_way], return_when=asyncio.FIRST_COMPLETED)
                on_its_way.cancel()

    async def _checkpointed(self, document: Document) -> frozenset[int]:
        return await asyncio.to_thread(publishing.checkpointed_pages, self.destination, document, self.recipe)

    def _counted(self, finished: Finished) -> DocumentOutcome:
        self.progress.statuses += finished.reused
        self.progress.reused += finished.reused.total()
        return finished.outcome

    async def _unreadable(self, document: Document, reason: str) -> DocumentOutcome:
        manifest = Manifest(document, self.recipe, 0, Tally(), 0.0, dt.datetime.now(dt.UTC), error=reason)
        await asyncio.to_thread(publishing.write_manifest, self.destination, manifest)
        return DocumentOutcome(document.key, 0, {}, error=reason)

    async def _survey(self, entry: Document | Refusal) -> SurveyedDocument:
        if isinstance(entry, Refusal):
            return SurveyedDocument(entry.key, 0, 0, entry.reason)
        try:
            async with self._local_copy(entry) as path:
                page_count = await self._rasterizer.page_count(path)
        except DocumentUnreadable as error:
            return SurveyedDocument(entry.key, 0, 0, str(error))
        to_read = frozenset(self._selection.of(page_count)) - await self._checkpointed(entry)
        return SurveyedDocument(entry.key, page_count, len(to_read))

    @contextlib.asynccontextmanager
    async def _local_copy(self, document: Document) -> AsyncIterator[Path]:
        with contextlib.ExitStack() as stack:
            yield await asyncio.to_thread(stack.enter_context, self._source.local_copy(document))
