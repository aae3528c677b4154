"""One run over the documents of a source: each is opened, read in chunks of pages, and published."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from pagemill.batch import outcomes, records
from pagemill.batch.checkpoints import CheckpointsDamaged
from pagemill.batch.chunks import BatchLimits, PageChunk, Perform
from pagemill.batch.local_files import OpenedDocument
from pagemill.batch.opening import Documents
from pagemill.batch.outcomes import DocumentPublisher
from pagemill.batch.pages import Earlier, PageReader
from pagemill.batch.progress import Progress
from pagemill.batch.stop import RunStop
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.planning import PendingDocument, page_chunks
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.errors import StoreUnusable

_log = logging.getLogger(__name__)


class Batch:
    """A run over a source, or over the part of it that is a shard's.

    Chunks begin one after the other, in the order of the documents. The next chunk begins while the last pages of the
    one before are in flight, so that the endpoint is never idle at the end of a document.
    """

    def __init__(
        self,
        *,
        documents: Documents,
        reader: PageReader,
        publisher: DocumentPublisher,
        progress: Progress,
        stop: RunStop,
        threads: BlockingCalls,
        usd_per_second: float,
        limits: BatchLimits | None = None,
    ) -> None:
        """Configure; nothing is read yet.

        Args:
            documents: What to read.
            reader: Reads pages.
            publisher: Publishes documents.
            progress: The counters of the run.
            stop: Why the run ends early; shared with `documents` and `reader`.
            threads: For calls that block; shared as well.
            usd_per_second: Price of the busy endpoint, in USD a second.
            limits: How much is in progress at once.
        """
        self.documents = documents
        self.publisher = publisher
        self.progress = progress
        self.stop = stop
        self.threads = threads
        self.usd_per_second = usd_per_second
        self._reader = reader
        self.limits = limits or BatchLimits()
        self._pages = asyncio.Semaphore(self.limits.pages)
        self._turn = asyncio.Lock()  # held by the document whose pages are being started

    async def run(self, run_id: str, perform: Perform | None = None) -> RunSummary:
        """Read every document, and write `_runs/<run id>/summary.json`.

        A bad page costs only itself, a bad document only itself. If the whole run stops, `stopped_by` says why.

        Args:
            run_id: Names the run.
            perform: Calls `read` with the chunk that it is given, for example in a task run; default: `read` itself.
        """
        self.progress.begin()
        try:
            await self.documents.each(partial(self._read_document, perform=perform or self.read))
            summary = self._summary(run_id)
            await self.threads.publications(self.publisher.close, run_id)
            await self.threads.publications(records.write_summary, self.publisher.destination, summary)
        except StoreUnusable as error:
            self.stop.now(error)
            return self._summary(run_id)
        finally:
            self._reader.close()
        self.progress.announce("finished")
        return summary

    async def read(self, chunk: PageChunk) -> None:
        """Read the pages of a chunk. Each gets a result, unless the run stops before.

        No page's error ends another page, unless it is one of the whole document: then its other pages are cancelled. A
        permit is given back when the task of its page is done, even if that was cancelled before it began.

        Raises:
            ExceptionGroup: Of NameUnusable: nothing can be saved in this document's folder.
        """
        async with asyncio.TaskGroup() as pages:
            for number in chunk.numbers:
                await self._pages.acquire()
                if self.stop.reason:
                    self._pages.release()
                    break
                page = pages.create_task(self._page(chunk, number))
                page.add_done_callback(lambda _: self._pages.release())
            chunk.started.set()

    async def read_again(
        self, pending: PendingDocument, numbers: tuple[int, ...], failed: dict[int, PageResult]
    ) -> None:
        """Read pages of a document that was opened before.

        Args:
            pending: The document.
            numbers: The pages, ascending.
            failed: Takes the results of pages that fail. The others have checkpoints afterwards, unless the run stops.

        Raises:
            DocumentUnreadable: The document cannot be opened, or is no longer what was listed.
            StoreUnusable: The source is gone.
        """
        async with self.documents.reopened(pending) as opened:
            await self._read_chunks(opened, numbers, self.read)
            await self._settle(opened)
            failed.update(opened.results.failed)

    async def _page(self, chunk: PageChunk, number: int) -> None:
        earlier = Earlier(refused=number in chunk.refused, redo=number in chunk.redo)
        result = await self._reader.read(chunk.document, chunk.file, number, earlier)
        if result:
            chunk.read[result.status] += 1
            if result.trust and self.progress.is_suspect(result):
                chunk.suspects[number] = result.trust
        if result and result.status is Status.FAILED:
            chunk.failed[number] = result

    async def _read_document(self, opened: OpenedDocument, perform: Perform) -> DocumentOutcome:
        pending, numbers, failed = opened.pending, opened.pending.left, opened.results.failed
        if numbers:
            self._reader.expect_pages()
        while True:
            await self._read_chunks(opened, numbers, perform)
            await self._settle(opened)
            if self.stop.reason:
                return outcomes.unfinished(pending.document.key, opened.results)
            try:
                return await self.threads.publications(self.publisher.finish, pending, failed)
            except CheckpointsDamaged as error:
                _log.warning("%s: %s", pending.document.key, error)
                numbers = tuple(sorted(pending.done.intersection(pending.selected, error.pages)))
                # What this run has written itself does not last: to read the page once more would not help.
                failed.update((number, error.pages[number]) for number in error.pages.keys() - pending.done)
                pending = pending.without(error.pages)

    async def _settle(self, opened: OpenedDocument) -> None:
        """Wait until no page of the document is looked at any more."""
        for number, result in (await self._reader.settle(opened.pending.document.key)).items():
            if result.trust and self.progress.is_suspect(result):
                opened.results.suspects[number] = result.trust

    async def _read_chunks(self, opened: OpenedDocument, left: tuple[int, ...], perform: Perform) -> None:
        results = opened.results
        async with asyncio.TaskGroup() as chunks, self._turn:
            opened.begin()
            for numbers in page_chunks(left, size=self.limits.chunk_pages):
                if self.stop.reason:
                    break
                chunk = PageChunk(
                    opened.pending.document,
                    opened.file,
                    numbers,
                    results.failed,
                    results.read,
                    results.suspects,
                    refused=opened.pending.refused,
                    redo=opened.pending.redo,
                )
                performing = chunks.create_task(perform(chunk))
                started = asyncio.create_task(chunk.started.wait())
                await asyncio.wait([performing, started], return_when=asyncio.FIRST_COMPLETED)
                started.cancel()

    def _summary(self, run_id: str) -> RunSummary:
        return self.progress.summary(
            run_id,
            destination=self.publisher.destination.name,
            usd_per_second=self.usd_per_second,
            stopped_by=self.stop.stopped_by,
        )
