"""The documents of a source: listed, skipped where an earlier run has finished them, and otherwise opened."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

from pagemill.batch import outcomes, publishing
from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.chunks import DocumentFile
from pagemill.batch.owners import FoldersInUse
from pagemill.batch.progress import Progress
from pagemill.batch.stop import RunStop
from pagemill.batch.withheld import WithheldDocuments
from pagemill.domain.pages.manifest import Manifest, Tally
from pagemill.domain.pages.model import CountedPdf, Document, RejectedEntry, Status
from pagemill.domain.pages.planning import PendingDocument, Selection
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
)
from pagemill.ports import DocumentSource, Rasterizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document with pages to read, and its local file."""

    pending: PendingDocument
    file: DocumentFile
    read: Counter[Status] = field(default_factory=Counter)  # results so far, counted by whoever reads the pages


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
    ) -> None:
        """Configure; nothing is listed yet.

        Args:
            source: Lists the documents.
            selection: The pages that are wanted of each.
            rasterizer: Counts pages.
            checkpoints: The pages that are finished already, and the destination.
            progress: Counts what is found.
            stop: When it is set, no further document is opened.
        """
        self._source = source
        self._selection = selection
        self._rasterizer = rasterizer
        self._checkpoints = checkpoints
        self._progress = progress
        self._stop = stop
        self._folders = FoldersInUse(checkpoints.destination)
        self._withheld = WithheldDocuments(source.name)

    async def each(self, handle: Handle, *, at_once: int) -> None:
        """Open the documents, a few at once, and pass those with pages to read to `handle`.

        A document that is finished or unreadable gets its outcome here. An error of one document is that document's
        outcome, and no other's. `handle` returns None where the run stopped before the document was finished.

        Raises:
            StoreUnusable: The destination cannot be written.
        """
        await asyncio.to_thread(self._checkpoints.destination.check_writable)
        self._progress.images = self._source.images  # counted while the source is listed
        places = asyncio.Semaphore(at_once)
        async with asyncio.TaskGroup() as documents:
            try:
                async for entry in self._entries():
                    await places.acquire()
                    if self._stop.reason:
                        break
                    self._progress.documents += 1
                    task = documents.create_task(self._account(entry, handle))
                    task.add_done_callback(lambda _: places.release())
            except StoreUnusable as error:  # inside the task group: the documents found so far are read to their end
                self._stop.listing_failed(error)
            except OutOfResources as error:
                self._stop.now(error)
            self._progress.listed = True
            if self._progress.requests == 0:  # later, the endpoint's state is announced
                self._progress.announce("rendering the first pages")
        await self._try_withheld(handle)

    async def survey(self) -> list[SurveyedDocument]:
        """Open each document and report what a run would read. Nothing is sent or written.

        Raises:
            StoreUnusable: The source cannot be read.
        """
        surveyed = [await self._survey(entry) async for entry in self._entries()]
        self._withheld.release()
        return surveyed

    @contextlib.asynccontextmanager
    async def reopened(self, pending: PendingDocument) -> AsyncIterator[OpenedDocument]:
        """A document that was opened before, with its file.

        Raises:
            DocumentUnreadable: It cannot be opened, or is no longer what was listed.
            StoreUnusable: The source is gone.
        """
        async with self._counted(pending.document) as (_, file):
            yield OpenedDocument(pending, file)

    async def _entries(self) -> AsyncIterator[Document | RejectedEntry]:
        """The entries of the source, listed in a thread.

        Raises:
            StoreUnusable: The source cannot be read.
        """
        entries = self._source.documents()
        while entry := await asyncio.to_thread(next, entries, None):
            if isinstance(entry, Document) and entry.stamp:  # its bytes were read for its version
                self._withheld.handed_out()
            yield entry

    async def _try_withheld(self, handle: Handle) -> None:
        """Try the documents again that the source withheld, unless it withheld all of them."""
        try:
            withheld = self._withheld.release()
        except StoreUnusable as error:
            self._stop.listing_failed(error)
            return
        for entry in withheld:
            await self._account(entry, handle)

    async def _account(self, entry: Document | RejectedEntry, handle: Handle) -> None:
        """Add the outcome of one entry to the progress. Trouble of the machine or of a store stops the run instead."""
        started, read = time.monotonic(), Counter[Status]()
        try:
            outcome = await self._outcome(entry, handle, read)
        except (StoreUnusable, UsageError) as error:
            self._stop.now(error)
        except Exception as error:  # noqa: BLE001 -- a defect of ours must not cost the other documents
            if trouble := out_of_resources(error):
                self._stop.now(trouble)
                return
            _log.exception("%s", shown(entry.key))
            reason = encodable(f"an unforeseen error: {type(error).__name__}: {error}; please report it")
            self._progress.add(DocumentOutcome(entry.key, 0, {}, error=reason), read)
        else:
            if outcome:
                self._progress.add(replace(outcome, seconds=time.monotonic() - started), read)

    async def _outcome(
        self, entry: Document | RejectedEntry, handle: Handle, read: Counter[Status]
    ) -> DocumentOutcome | None:
        try:
            if isinstance(entry, RejectedEntry):
                return await self._rejected(entry)
            self._folders.take(entry.key)
            return await self._already_finished(entry) or await self._opened(entry, handle, read)
        except (KeyTaken, NameUnusable) as error:  # the folder is not this document's: nothing is written there
            return outcomes.unreadable(entry.key, str(error))
        except ExceptionGroup as group:  # of the pages that were read at once
            errors, others = group.split(NameUnusable)
            if others or not errors:
                raise
            return outcomes.unreadable(entry.key, str(_first(errors)))
        except DocumentUnreadable as error:
            assert isinstance(entry, Document)  # noqa: S101 -- for mypy
            if isinstance(error, DocumentWithheld) and self._withheld.sets_aside(entry, error.cause):
                return None
            return await self._unreadable(entry, str(error))

    async def _rejected(self, entry: RejectedEntry) -> DocumentOutcome | None:
        if entry.shared_cause and self._withheld.sets_aside(entry, entry.shared_cause):
            return None
        if not entry.has_folder:
            return outcomes.unreadable(entry.key, entry.reason)
        self._folders.take(entry.key)
        return await self._unreadable(Document(entry.key, version="", size_bytes=0), entry.reason)

    async def _already_finished(self, document: Document) -> DocumentOutcome | None:
        """The outcome of a document that an earlier run has finished; it is not opened."""
        prior = await asyncio.to_thread(publishing.covering_manifest, self._checkpoints, document, self._selection)
        if prior is None:
            return None
        selected = self._selection.selected(document, prior.page_count)
        self._progress.pages_planned += len(selected)
        return outcomes.already_finished(document.key, prior, selected)

    async def _opened(self, document: Document, handle: Handle, read: Counter[Status]) -> DocumentOutcome | None:
        async with self._counted(document) as (pdf, file):
            done = await self._done(document, pdf.pages)
            pending = PendingDocument(
                document, pdf.pages, self._selection.selected(document, pdf.pages), done, pdf.findings
            )
            self._progress.pages_planned += len(pending.selected)
            if not pending.selected:
                return outcomes.nothing_selected(pending)
            return await handle(OpenedDocument(pending, file, read))

    async def _done(self, document: Document, page_count: int) -> frozenset[int]:
        return await asyncio.to_thread(self._checkpoints.pages, document, page_count)

    async def _unreadable(self, document: Document, reason: str) -> DocumentOutcome:
        manifest = Manifest(document, self._checkpoints.recipe, 0, Tally(), 0.0, dt.datetime.now(dt.UTC), error=reason)
        try:
            await asyncio.to_thread(publishing.write_manifest, self._checkpoints.destination, manifest)
        except NameUnusable as error:
            reason = f"{reason}; and its manifest: {error}"
        return outcomes.unreadable(document.key, reason)

    async def _survey(self, entry: Document | RejectedEntry) -> SurveyedDocument:
        if isinstance(entry, RejectedEntry):
            if entry.shared_cause:
                self._withheld.sets_aside(entry, entry.shared_cause)
            return SurveyedDocument(entry.key, 0, 0, entry.reason)
        try:
            self._folders.take(entry.key)
            await asyncio.to_thread(publishing.prior_manifest, self._checkpoints.destination, entry)
            async with self._counted(entry) as (pdf, _):
                to_read = frozenset(self._selection.selected(entry, pdf.pages)) - await self._done(entry, pdf.pages)
                return SurveyedDocument(entry.key, pdf.pages, len(to_read), findings=pdf.findings)
        except (DocumentUnreadable, KeyTaken, NameUnusable) as error:
            if isinstance(error, DocumentWithheld):
                self._withheld.sets_aside(entry, error.cause)
            return SurveyedDocument(entry.key, 0, 0, str(error))

    @contextlib.asynccontextmanager
    async def _counted(self, document: Document) -> AsyncIterator[tuple[CountedPdf, DocumentFile]]:
        """Open a document and count its pages. If it was changed since it was listed, that is the reason of any error.

        Raises:
            DocumentUnreadable: It cannot be opened, or was changed.
        """
        with contextlib.ExitStack() as stack:
            copy = await asyncio.to_thread(stack.enter_context, self._source.local_copy(document))
            self._withheld.handed_out()
            try:
                async with self._rasterizer.counted(copy.path) as pdf:
                    await asyncio.to_thread(copy.check)
                    yield pdf, DocumentFile(pdf.path, copy.check)
            except DocumentUnreadable:
                await asyncio.to_thread(copy.check)
                raise


def _first(group: ExceptionGroup[NameUnusable]) -> NameUnusable:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
