"""The documents of a run: found, opened, read in portions, published."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pagemill.batch import publishing
from pagemill.batch.pages import PageReader
from pagemill.batch.progress import Progress
from pagemill.domain.cost import busy_cost_usd
from pagemill.domain.manifest import Manifest, Tally
from pagemill.domain.model import Document, PageResult, Recipe, Refusal, Status
from pagemill.domain.planning import PageSelection, chunks, format_pages
from pagemill.domain.summary import DocumentOutcome, RunSummary
from pagemill.errors import DocumentUnreadable, StoreUnusable
from pagemill.ports import DocumentSource, ObjectStore, Rasterizer

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Portion:
    """Some pages of one document: what an orchestrator sees as one task. Single pages are far too many for that."""

    document: Document
    path: Path
    numbers: tuple[int, ...]
    failed: dict[int, PageResult]  # shared by a document's portions
    on_its_way: asyncio.Event = field(default_factory=asyncio.Event)  # all its pages are: the next portion may begin

    @property
    def name(self) -> str:
        """What to call it in a list of tasks."""
        return f"{self.document.key}, {'page' if len(self.numbers) == 1 else 'pages'} {format_pages(self.numbers)}"


Perform = Callable[[Portion], Coroutine[Any, Any, object]]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much of a run is under way at once."""

    pages: int = 24  # being drawn, waiting or in flight
    documents: int = 32  # opened: enough one-page documents to fill the pages
    portion_pages: int = 200


@dataclass(frozen=True, slots=True)
class SurveyedDocument:
    """What a dry run knows of a document."""

    key: str
    page_count: int
    to_read: int  # pages that the run would read
    error: str = ""


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
    ) -> None:
        self.progress = progress
        self._source = source
        self._destination = destination
        self._rasterizer = rasterizer
        self._reader = reader
        self._recipe = recipe
        self._selection = selection
        self._usd_per_second = usd_per_second
        self._max_in_flight = max_in_flight
        self._limits = limits or BatchLimits()
        self._pages = asyncio.Semaphore(self._limits.pages)
        self._unlisted: StoreUnusable | None = None
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
            await asyncio.to_thread(self._destination.check_writable)
            await self._read_documents(perform or self.read)
            summary = self._summary(run_id)
            await asyncio.to_thread(publishing.write_summary, self._destination, summary)
        except StoreUnusable as error:
            self._reader.stop(error)
            return self._summary(run_id)
        return summary

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

    async def _read_documents(self, perform: Perform) -> None:
        places = asyncio.Semaphore(self._limits.documents)
        async with asyncio.TaskGroup() as documents:
            try:
                async for entry in self._entries():
                    await places.acquire()
                    if self._reader.stopped_by:
                        break
                    self.progress.documents += 1
                    task = documents.create_task(self._document(entry, perform))
                    task.add_done_callback(lambda _: places.release())
            except StoreUnusable as error:  # caught here: the documents already found are read to their end
                self._unlisted = error
            self.progress.listed = True
            if self.progress.requests == 0:  # later, it is the endpoint that has something to say
                self.progress.announce("drawing the first pages")

    async def _entries(self) -> AsyncIterator[Document | Refusal]:
        """The source's entries, listed in a thread."""
        entries = self._source.documents()
        while entry := await asyncio.to_thread(next, entries, None):
            yield entry

    async def _document(self, entry: Document | Refusal, perform: Perform) -> None:
        started = time.monotonic()
        try:
            outcome = await self._outcome(entry, perform)
        except StoreUnusable as error:
            self._reader.stop(error)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not cost the other documents
            _log.exception("%s", entry.key)
            reason = f"an unforeseen error: {type(error).__name__}: {error}; please report it"
            self.progress.outcomes.append(DocumentOutcome(entry.key, 0, {}, error=reason))
        else:
            if outcome:
                self.progress.outcomes.append(replace(outcome, seconds=time.monotonic() - started))

    async def _outcome(self, entry: Document | Refusal, perform: Perform) -> DocumentOutcome | None:
        if isinstance(entry, Refusal):
            return await self._unreadable(Document(entry.key, version="", size_bytes=0), entry.reason)
        try:
            return await self._read_document(entry, perform)
        except DocumentUnreadable as error:
            return await self._unreadable(entry, str(error))

    async def _read_document(self, document: Document, perform: Perform) -> DocumentOutcome | None:
        receipt = await asyncio.to_thread(publishing.receipt_of, self._destination, document.key)
        if receipt:
            selected = self._selection.of(receipt.page_count)
            if receipt.settles(document, self._recipe, selected):
                return self._settled(document, receipt.counts(selected))
        async with self._local_copy(document) as path:
            page_count = await self._rasterizer.page_count(path)
            selected = self._selection.of(page_count)
            done = await self._checkpointed(document)
            self.progress.pages_planned += len(selected)
            failed: dict[int, PageResult] = {}
            await self._read_pages(document, path, [n for n in selected if n not in done], failed, perform)
        if self._reader.stopped_by:
            return None
        if not selected:
            return DocumentOutcome(document.key, 0, {})
        try:
            tally = await asyncio.to_thread(
                publishing.publish,
                self._destination,
                document,
                self._recipe,
                page_count=page_count,
                numbers=done.union(selected),
                failed=failed,
                usd_per_page_second=self._usd_per_second / self._max_in_flight,
            )
        except publishing.Contended as error:
            return replace(self._finished(document, error.tally, frozenset(selected), done), error=str(error))
        return self._finished(document, tally, frozenset(selected), done)

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

    def _summary(self, run_id: str) -> RunSummary:
        progress = self.progress
        return RunSummary(
            run_id=run_id,
            documents=progress.documents,
            statuses=Counter(progress.statuses),
            reused=progress.reused,
            requests=progress.requests,
            seconds=progress.seconds,
            cost_usd=busy_cost_usd(progress.busy_seconds, usd_per_second=self._usd_per_second),
            destination=self._destination.name,
            outcomes=tuple(sorted(progress.outcomes, key=lambda outcome: outcome.key)),
            stopped_by=self._reader.stopped_by or self._unlisted,
        )

    async def _checkpointed(self, document: Document) -> frozenset[int]:
        return await asyncio.to_thread(publishing.checkpointed_pages, self._destination, document, self._recipe)

    def _settled(self, document: Document, statuses: Counter[Status]) -> DocumentOutcome:
        pages = statuses.total()
        self.progress.pages_planned += pages
        self.progress.reused += pages
        self.progress.statuses += statuses
        return DocumentOutcome(document.key, pages, statuses, reused=pages)

    def _finished(
        self, document: Document, tally: Tally, selected: frozenset[int], done: frozenset[int]
    ) -> DocumentOutcome:
        pages = {status: selected.intersection(numbers) for status, numbers in tally.pages.items()}
        reused = Counter({status: len(numbers & done) for status, numbers in pages.items()})
        self.progress.statuses += reused
        self.progress.reused += reused.total()
        return DocumentOutcome(
            document.key,
            len(selected),
            {status: len(numbers) for status, numbers in pages.items()},
            reused=reused.total(),
            failures=tally.failures,
        )

    async def _unreadable(self, document: Document, reason: str) -> DocumentOutcome:
        manifest = Manifest(document, self._recipe, 0, Tally(), 0.0, dt.datetime.now(dt.UTC), error=reason)
        await asyncio.to_thread(publishing.write_manifest, self._destination, manifest)
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
