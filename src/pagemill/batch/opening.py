"""The documents of a source: listed, skipped where an earlier run has finished them, and otherwise opened."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pagemill.batch import outcomes, publishing
from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.outcomes import Finished
from pagemill.batch.owners import FoldersInUse
from pagemill.batch.progress import Progress
from pagemill.batch.stop import RunStop
from pagemill.domain.pages.manifest import Manifest, Tally
from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.domain.pages.planning import PendingDocument, Selection
from pagemill.domain.pages.summary import DocumentOutcome
from pagemill.domain.wording import shown
from pagemill.errors import DocumentUnreadable, KeyTaken, NameUnusable, StoreUnusable
from pagemill.ports import DocumentSource, Rasterizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document with pages to read, and its local file."""

    pending: PendingDocument
    path: Path


@dataclass(frozen=True, slots=True)
class SurveyedDocument:
    """What a dry run reports about a document."""

    key: str
    page_count: int
    to_read: int  # pages that a run would read
    error: str = ""


Handle = Callable[[OpenedDocument], Awaitable[Finished | None]]


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
        outcome, and no other's. `handle` returns None where the run stopped before the document was finished.

        Raises:
            StoreUnusable: The destination cannot be written.
        """
        await asyncio.to_thread(self._checkpoints.destination.check_writable)
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
        """The entries of the source, listed in a thread."""
        entries = self._source.documents()
        while entry := await asyncio.to_thread(next, entries, None):
            yield entry

    async def _account(self, entry: Document | RejectedEntry, handle: Handle) -> None:
        """Add the outcome of one entry to the progress."""
        started = time.monotonic()
        try:
            finished = await self._finished(entry, handle)
        except StoreUnusable as error:
            self._stop.now(error)
        except Exception as error:  # noqa: BLE001 -- a defect of ours must not cost the other documents
            _log.exception("%s", shown(entry.key))
            reason = f"an unforeseen error: {type(error).__name__}: {error}; please report it"
            self._progress.outcomes.append(DocumentOutcome(entry.key, 0, {}, error=reason))
        else:
            if finished:
                self._progress.add(replace(finished.outcome, seconds=time.monotonic() - started), finished.reused)

    async def _finished(self, entry: Document | RejectedEntry, handle: Handle) -> Finished | None:
        try:
            if isinstance(entry, RejectedEntry):
                return await self._rejected(entry)
            self._folders.take(entry.key)
            return await self._already_finished(entry) or await self._opened(entry, handle)
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

    async def _rejected(self, entry: RejectedEntry) -> Finished:
        if not entry.has_folder:
            return outcomes.unreadable(entry.key, entry.reason)
        self._folders.take(entry.key)
        return await self._unreadable(Document(entry.key, version="", size_bytes=0), entry.reason)

    async def _already_finished(self, document: Document) -> Finished | None:
        """The outcome of a document that an earlier run has finished; it is not opened."""
        prior = await asyncio.to_thread(publishing.prior_manifest, self._checkpoints.destination, document)
        if prior is None:
            return None
        selected = self._selection.selected(document, prior.page_count)
        if not prior.covers(document, self._checkpoints.recipe, selected):
            return None
        self._progress.pages_planned += len(selected)
        return outcomes.already_finished(document.key, prior, selected)

    async def _opened(self, document: Document, handle: Handle) -> Finished | None:
        async with self._local_copy(document) as path:
            page_count = await self._rasterizer.page_count(path)
            done = await self._done(document)
            pending = PendingDocument(document, page_count, self._selection.selected(document, page_count), done)
            self._progress.pages_planned += len(pending.selected)
            if not pending.selected:
                return outcomes.nothing_selected(document.key)
            return await handle(OpenedDocument(pending, path))

    async def _done(self, document: Document) -> frozenset[int]:
        return await asyncio.to_thread(self._checkpoints.pages, document)

    async def _unreadable(self, document: Document, reason: str) -> Finished:
        manifest = Manifest(document, self._checkpoints.recipe, 0, Tally(), 0.0, dt.datetime.now(dt.UTC), error=reason)
        await asyncio.to_thread(publishing.write_manifest, self._checkpoints.destination, manifest)
        return outcomes.unreadable(document.key, reason)

    async def _survey(self, entry: Document | RejectedEntry) -> SurveyedDocument:
        if isinstance(entry, RejectedEntry):
            return SurveyedDocument(entry.key, 0, 0, entry.reason)
        try:
            self._folders.take(entry.key)
            await asyncio.to_thread(publishing.prior_manifest, self._checkpoints.destination, entry)
            async with self._local_copy(entry) as path:
                page_count = await self._rasterizer.page_count(path)
        except (DocumentUnreadable, KeyTaken, NameUnusable) as error:
            return SurveyedDocument(entry.key, 0, 0, str(error))
        to_read = frozenset(self._selection.selected(entry, page_count)) - await self._done(entry)
        return SurveyedDocument(entry.key, page_count, len(to_read))

    @contextlib.asynccontextmanager
    async def _local_copy(self, document: Document) -> AsyncIterator[Path]:
        with contextlib.ExitStack() as stack:
            yield await asyncio.to_thread(stack.enter_context, self._source.local_copy(document))


def _first(group: ExceptionGroup[NameUnusable]) -> NameUnusable:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
