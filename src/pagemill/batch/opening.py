"""The documents of a source: listed, skipped where an earlier run has finished them, and otherwise opened."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from pagemill.batch import outcomes, publishing
from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.chunks import BatchLimits
from pagemill.batch.earlier import EarlierResults
from pagemill.batch.listing import Listing, Places
from pagemill.batch.local_files import LocalFiles, OpenedDocument, ResultsSoFar
from pagemill.batch.owners import FoldersInUse
from pagemill.batch.progress import Progress
from pagemill.batch.stop import RunStop
from pagemill.batch.threads import BlockingCalls
from pagemill.batch.withheld import WithheldDocuments
from pagemill.domain.pages.manifest import Manifest, Tally
from pagemill.domain.pages.model import CountedPdf, Document, RejectedEntry
from pagemill.domain.pages.planning import PendingDocument, Selection
from pagemill.domain.pages.retrying import Retry
from pagemill.domain.pages.summary import DocumentOutcome
from pagemill.domain.wording import encodable, shown
from pagemill.errors import (
    DocumentUnreadable,
    DocumentWithheld,
    KeyTaken,
    NameUnusable,
    OutOfResources,
    StoreUnusable,
    UsageError,
    out_of_resources,
    stated,
)
from pagemill.ports import DocumentSource, Rasterizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SurveyedDocument:
    """What a dry run reports about a document."""

    key: str
    page_count: int
    to_read: int  # pages that a run would read
    error: str = ""
    findings: tuple[str, ...] = ()


Handle = Callable[[OpenedDocument], Awaitable[DocumentOutcome | None]]


class Documents:
    """All documents of a source, for a run, for a run in shards, and for a dry run."""

    def __init__(
        self,
        *,
        source: DocumentSource,
        selection: Selection,
        rasterizer: Rasterizer,
        checkpoints: Checkpoints,
        progress: Progress,
        stop: RunStop,
        threads: BlockingCalls,
        limits: BatchLimits,
        retry: Collection[Retry] = (),
    ) -> None:
        """Configure; nothing is listed yet.

        Args:
            source: Lists the documents.
            selection: The pages that are wanted of each.
            rasterizer: Counts pages.
            checkpoints: The pages that are finished already, and the destination.
            progress: Counts what is found.
            stop: When it is set, no further document is opened.
            threads: For calls that block.
            limits: How much is open at once.
            retry: Results of earlier runs that are not good enough.
        """
        self._source = source
        self._selection = selection
        self._checkpoints = checkpoints
        self._progress, self._stop = progress, stop
        self._threads = threads
        self._earlier = EarlierResults(checkpoints, selection, threads, progress, retry)
        self._at_once = limits.documents
        self._folders = FoldersInUse(checkpoints.destination)
        self._withheld = WithheldDocuments(source.name)
        self._files = LocalFiles(
            source, rasterizer, stop=stop, threads=threads, limits=limits, on_copy=self._withheld.handed_out
        )

    async def each(self, handle: Handle) -> None:
        """Open the documents, a few at once, and pass those with pages to read to `handle`.

        A document that is finished or unreadable gets its outcome here. An error of one document is that document's
        outcome, and no other's. `handle` returns None for a document whose pages others read.

        Raises:
            StoreUnusable: The destination cannot be written.
        """
        await self._threads.lookups(self._checkpoints.destination.check_writable)
        await self._begin_each(lambda entry: self._account(entry, handle))
        await self._try_withheld(handle)

    async def survey(self) -> list[SurveyedDocument]:
        """Report what a run would read of each document, in the order of the source. Nothing is sent or written.

        Raises:
            StoreUnusable: The source or the destination cannot be read.
            OutOfResources: The machine opens no further document.
        """
        surveys: list[SurveyedDocument] = []

        async def survey(number: int, entry: Document | RejectedEntry) -> None:
            surveys[number] = await self._survey(entry)

        def begin(entry: Document | RejectedEntry) -> Coroutine[Any, Any, None]:
            surveys.append(SurveyedDocument(entry.key, 0, 0))
            return survey(len(surveys) - 1, entry)

        await self._begin_each(begin)
        self._withheld.release()
        if self._stop.stopped_by:
            raise self._stop.stopped_by
        return surveys

    async def _begin_each(self, begin: Callable[[Document | RejectedEntry], Coroutine[Any, Any, None]]) -> None:
        """Begin each entry of the source, a few at once, and wait for all."""
        places, self._progress.images = Places(self._at_once), self._source.images  # counted while it is listed
        async with asyncio.TaskGroup() as documents:
            try:
                async for entry in self._entries(places):
                    await places.take()
                    if self._stop.reason:
                        break
                    self._progress.documents += 1
                    documents.create_task(begin(entry)).add_done_callback(places.give_back)
            except StoreUnusable as error:  # inside the task group: the documents found so far are read to their end
                self._stop.listing_failed(error)
            except OutOfResources as error:
                self._stop.now(error)
            self._progress.listed = True
            if self._progress.requests == 0:
                self._progress.announce("rendering the first pages")  # later, the endpoint's state

    @contextlib.asynccontextmanager
    async def reopened(self, pending: PendingDocument) -> AsyncIterator[OpenedDocument]:
        """A document that was opened before, with its file.

        Raises:
            DocumentUnreadable: It cannot be opened, or is no longer what was listed.
            StoreUnusable: The source is gone.
        """
        async with self._files.counted(pending.document) as counted:
            yield OpenedDocument(pending, counted.file, counted.begin)

    async def _entries(self, places: Places) -> AsyncIterator[Document | RejectedEntry]:
        """The entries of the source, listed in a thread; no more ahead than can begin at once, but one."""
        listing = Listing(self._source.documents())
        while portion := await self._threads.lookups(listing.portion, places.free or 1):
            for entry in portion:
                if isinstance(entry, Document) and entry.stamp:  # its bytes were read for its version
                    self._withheld.handed_out()
                yield entry

    async def _try_withheld(self, handle: Handle) -> None:
        """Try the documents again that the source withheld, unless it withheld all of them."""
        try:
            withheld = self._withheld.release()
        except StoreUnusable as error:
            self._stop.listing_failed(error)
            for entry in self._withheld.entries:
                self._progress.add(outcomes.unfinished(entry.key, ResultsSoFar()), Counter())
            return
        for entry in withheld:
            await self._account(entry, handle)

    async def _account(self, entry: Document | RejectedEntry, handle: Handle) -> None:
        """Add the outcome of one entry to the progress. Trouble of the machine or of a store also stops the run."""
        started, results = time.monotonic(), ResultsSoFar()
        try:
            outcome = await self._outcome(entry, handle, results)
        except Exception as error:  # noqa: BLE001 -- a defect of ours must not cost the other documents
            outcome = self._after(error, entry.key, results)
        if outcome:
            timed = replace(outcome, seconds=time.monotonic() - started)
            self._progress.add(timed, results.read, len(results.suspects))

    def _after(self, error: Exception, key: str, results: ResultsSoFar) -> DocumentOutcome:
        """The outcome of a document that ended with an error."""
        if error is self._stop.reason:  # until then the document waited for room
            return outcomes.unfinished(key, results)
        if trouble := error if isinstance(error, (StoreUnusable, UsageError)) else out_of_resources(error):
            self._stop.now(trouble)
            return outcomes.unfinished(key, results)
        _log.error("%s", shown(key), exc_info=error)
        reason = encodable(f"an unforeseen error: {type(error).__name__}: {error}; please report it")
        return DocumentOutcome(key, 0, {}, error=reason)

    async def _outcome(
        self, entry: Document | RejectedEntry, handle: Handle, results: ResultsSoFar
    ) -> DocumentOutcome | None:
        try:
            if isinstance(entry, RejectedEntry):
                return await self._rejected(entry)
            self._folders.take(entry.key)
            return await self._already_finished(entry) or await self._opened(entry, handle, results)
        except (KeyTaken, NameUnusable) as error:  # the folder is not this document's: nothing is written there
            return outcomes.unreadable(entry.key, str(error))
        except ExceptionGroup as group:  # of the pages that were read at once
            errors, others = group.split(NameUnusable)
            if others or not errors:
                raise
            return outcomes.unreadable(entry.key, str(stated(errors)))
        except DocumentUnreadable as error:
            assert isinstance(entry, Document)  # noqa: S101 -- for mypy
            if isinstance(error, DocumentWithheld) and self._withheld.sets_aside(entry, error.cause):
                return None
            return await self._unreadable(entry, str(error))

    async def _rejected(self, entry: RejectedEntry) -> DocumentOutcome | None:
        if not entry.failed:
            return DocumentOutcome(entry.key, 0, {}, findings=(encodable(entry.reason),))
        if entry.shared_cause and self._withheld.sets_aside(entry, entry.shared_cause):
            return None
        if not entry.has_folder:
            return outcomes.unreadable(entry.key, entry.reason)
        self._folders.take(entry.key)
        return await self._unreadable(Document(entry.key, version="", size_bytes=0), entry.reason)

    async def _already_finished(self, document: Document) -> DocumentOutcome | None:
        """The outcome of a document that an earlier run has finished; it is not opened."""
        prior = await self._earlier.finished(document)
        if prior is None:
            return None
        selected = self._selection.selected(document, prior.page_count)
        self._progress.pages_planned += len(selected)
        return outcomes.already_finished(document.key, prior, selected, min_score=self._progress.min_score)

    async def _opened(self, document: Document, handle: Handle, results: ResultsSoFar) -> DocumentOutcome | None:
        async with self._files.counted(document) as counted:
            pdf = counted.pdf
            pending = await self._earlier.left_of(self._wanted(document, pdf))
            self._progress.pages_planned += len(pending.selected)
            if not pending.selected:
                return outcomes.nothing_selected(pending)
            counted.wait_with(len(pending.left))
            return await handle(OpenedDocument(pending, counted.file, counted.begin, results))

    async def _unreadable(self, document: Document, reason: str) -> DocumentOutcome:
        manifest = Manifest(document, self._checkpoints.recipe, 0, Tally(), 0.0, dt.datetime.now(dt.UTC), error=reason)
        try:
            await self._threads.publications(publishing.write_manifest, self._checkpoints.destination, manifest)
        except NameUnusable as error:
            reason = f"{reason}; and its manifest: {error}"
        return outcomes.unreadable(document.key, reason)

    async def _survey(self, entry: Document | RejectedEntry) -> SurveyedDocument:
        """What a run would read of a document. If the survey has to stop, the stop has the reason."""
        if isinstance(entry, RejectedEntry):
            if not entry.failed:
                return SurveyedDocument(entry.key, 0, 0, findings=(entry.reason,))
            if entry.shared_cause:
                self._withheld.sets_aside(entry, entry.shared_cause)
            return SurveyedDocument(entry.key, 0, 0, entry.reason)
        try:
            self._folders.take(entry.key)
            return await self._already_surveyed(entry) or await self._counted(entry)
        except (DocumentUnreadable, KeyTaken, NameUnusable) as error:
            if isinstance(error, DocumentWithheld):
                self._withheld.sets_aside(entry, error.cause)
            return SurveyedDocument(entry.key, 0, 0, str(error))
        except Exception as error:  # noqa: BLE001 -- as in `_account`
            return SurveyedDocument(entry.key, 0, 0, self._after(error, entry.key, ResultsSoFar()).error)

    async def _already_surveyed(self, document: Document) -> SurveyedDocument | None:
        prior = await self._earlier.finished(document)
        return SurveyedDocument(document.key, prior.page_count, 0, findings=prior.findings) if prior else None

    async def _counted(self, document: Document) -> SurveyedDocument:
        async with self._files.counted(document) as counted:
            pending = await self._earlier.left_of(self._wanted(document, counted.pdf))
            return SurveyedDocument(document.key, pending.page_count, len(pending.left), findings=pending.findings)

    def _wanted(self, document: Document, pdf: CountedPdf) -> PendingDocument:
        """A document with the pages that the run wants of it."""
        selected = self._selection.selected(document, pdf.pages)
        return PendingDocument(document, pdf.pages, selected, frozenset(), pdf.findings)
