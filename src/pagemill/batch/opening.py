"""The documents of a source: listed, skipped where an earlier run has finished them, and otherwise opened."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from pagemill.batch import outcomes, publishing
from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.chunks import DocumentFile
from pagemill.batch.owners import FoldersInUse
from pagemill.batch.progress import Progress
from pagemill.batch.stop import RunStop
from pagemill.domain.pages.manifest import Manifest, Tally
from pagemill.domain.pages.model import CountedPdf, Document, PageResult, RejectedEntry, Status
from pagemill.domain.pages.planning import PendingDocument, Selection
from pagemill.domain.pages.summary import DocumentOutcome
from pagemill.domain.wording import encodable, shown
from pagemill.errors import (
    DocumentUnreadable,
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
class ResultsSoFar:
    """The results of a document in this run, noted by whoever reads its pages."""

    read: Counter[Status] = field(default_factory=Counter)
    failed: dict[int, PageResult] = field(default_factory=dict)  # by page number


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document with pages to read, and its local file."""

    pending: PendingDocument
    file: DocumentFile
    results: ResultsSoFar = field(default_factory=ResultsSoFar)


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

    async def each(self, handle: Handle, *, at_once: int) -> None:
        """Open the documents, a few at once, and pass those with pages to read to `handle`.

        A document that is finished or unreadable gets its outcome here. An error of one document is that document's
        outcome, and no other's. `handle` returns None for a document whose pages others read.

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

    async def survey(self) -> list[SurveyedDocument]:
        """Open each document and report what a run would read. Nothing is sent or written.

        Raises:
            StoreUnusable: The source cannot be read.
        """
        return [await self._survey(entry) async for entry in self._entries()]

    async def _entries(self) -> AsyncIterator[Document | RejectedEntry]:
        """The entries of the source, listed in a thread.

        Rejected entries wait for the first document. If there is none, and all of several entries have the same
        reason, this is no fault of each document: the source cannot be read.

        Raises:
            StoreUnusable: The source cannot be read.
        """
        entries, rejected = self._source.documents(), list[RejectedEntry]()
        try:
            entry = await asyncio.to_thread(next, entries, None)
            while isinstance(entry, RejectedEntry):
                rejected.append(entry)
                entry = await asyncio.to_thread(next, entries, None)
        except StoreUnusable:
            for held in rejected:
                yield held
            raise
        if entry is None:
            _check_for_common_reason(self._source.name, rejected)
        for held in rejected:
            yield held
        while entry:
            yield entry
            entry = await asyncio.to_thread(next, entries, None)

    async def _account(self, entry: Document | RejectedEntry, handle: Handle) -> None:
        """Add the outcome of one entry to the progress. Trouble of the machine or of a store also stops the run."""
        started, results = time.monotonic(), ResultsSoFar()
        try:
            outcome = await self._outcome(entry, handle, results)
        except Exception as error:  # noqa: BLE001 -- a defect of ours must not cost the other documents
            outcome = self._after(error, entry.key, results)
        if outcome:
            self._progress.add(replace(outcome, seconds=time.monotonic() - started), results.read)

    def _after(self, error: Exception, key: str, results: ResultsSoFar) -> DocumentOutcome:
        """The outcome of a document that ended with an error."""
        trouble = error if isinstance(error, (StoreUnusable, UsageError)) else out_of_resources(error)
        if trouble:
            self._stop.now(trouble)
            return outcomes.unfinished(key, results.read, results.failed)
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
            return outcomes.unreadable(entry.key, str(_first(errors)))
        except DocumentUnreadable as error:
            assert isinstance(entry, Document)  # noqa: S101 -- for mypy
            return await self._unreadable(entry, str(error))

    async def _rejected(self, entry: RejectedEntry) -> DocumentOutcome:
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

    async def _opened(self, document: Document, handle: Handle, results: ResultsSoFar) -> DocumentOutcome | None:
        async with self._counted(document) as (pdf, file):
            done = await self._done(document, pdf.pages)
            pending = PendingDocument(
                document, pdf.pages, self._selection.selected(document, pdf.pages), done, pdf.findings
            )
            self._progress.pages_planned += len(pending.selected)
            if not pending.selected:
                return outcomes.nothing_selected(pending)
            return await handle(OpenedDocument(pending, file, results))

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
            return SurveyedDocument(entry.key, 0, 0, entry.reason)
        try:
            self._folders.take(entry.key)
            await asyncio.to_thread(publishing.prior_manifest, self._checkpoints.destination, entry)
            async with self._counted(entry) as (pdf, _):
                to_read = frozenset(self._selection.selected(entry, pdf.pages)) - await self._done(entry, pdf.pages)
                return SurveyedDocument(entry.key, pdf.pages, len(to_read), findings=pdf.findings)
        except (DocumentUnreadable, KeyTaken, NameUnusable) as error:
            return SurveyedDocument(entry.key, 0, 0, str(error))

    @contextlib.asynccontextmanager
    async def _counted(self, document: Document) -> AsyncIterator[tuple[CountedPdf, DocumentFile]]:
        """Open a document and count its pages. If it was changed since it was listed, that is the reason of any error.

        Raises:
            DocumentUnreadable: It cannot be opened, or was changed.
        """
        with contextlib.ExitStack() as stack:
            copy = await asyncio.to_thread(stack.enter_context, self._source.local_copy(document))
            try:
                async with self._rasterizer.counted(copy.path) as pdf:
                    await asyncio.to_thread(copy.check)
                    yield pdf, DocumentFile(pdf.path, copy.check)
            except DocumentUnreadable:
                await asyncio.to_thread(copy.check)
                raise


def _check_for_common_reason(source: str, rejected: Sequence[RejectedEntry]) -> None:
    """Refuse a source of which nothing can be read, for one reason.

    Raises:
        StoreUnusable: It is so.
    """
    reasons = {entry.reason for entry in rejected}
    if len(rejected) > 1 and len(reasons) == 1:
        raise StoreUnusable(
            f"{shown(source)}: none of its {len(rejected)} documents can be read, all for the same reason: "
            f"{reasons.pop()} (the first is {shown(rejected[0].key)})"
        )


def _first(group: ExceptionGroup[NameUnusable]) -> NameUnusable:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
