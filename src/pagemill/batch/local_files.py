"""Documents as local files whose pages are counted, never more of them than there is room for."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from pagemill.batch.ahead import Ahead, Place
from pagemill.batch.chunks import BatchLimits, DocumentFile
from pagemill.batch.stop import RunStop
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.pages.model import CountedPdf, Document, PageResult, Status
from pagemill.domain.pages.planning import PendingDocument
from pagemill.domain.pages.trust import Trust
from pagemill.errors import DocumentUnreadable
from pagemill.ports import DocumentSource, LocalCopy, Rasterizer


@dataclass(frozen=True, slots=True)
class CountedFile:
    """A document that is open."""

    pdf: CountedPdf
    file: DocumentFile
    ahead: Ahead
    place: Place

    def wait_with(self, pages: int) -> None:
        """Note how many pages wait for their turn to be read."""
        self.ahead.wait_with(self.place, pages)

    def begin(self) -> None:
        """Note that the pages are being read now, so that other documents may be opened ahead of theirs."""
        self.ahead.begin(self.place)


@dataclass(frozen=True, slots=True)
class ResultsSoFar:
    """The results of a document in this run, noted by whoever reads its pages."""

    read: Counter[Status] = field(default_factory=Counter)
    failed: dict[int, PageResult] = field(default_factory=dict)  # by page number
    suspects: dict[int, Trust] = field(default_factory=dict)  # the same


@dataclass(frozen=True, slots=True)
class OpenedDocument:
    """A document with pages to read, and its local file."""

    pending: PendingDocument
    file: DocumentFile
    begin: Callable[[], None]  # called when its pages begin to be read: others are then opened ahead
    results: ResultsSoFar = field(default_factory=ResultsSoFar)


class LocalFiles:
    """Opens the documents of a source."""

    def __init__(
        self,
        source: DocumentSource,
        rasterizer: Rasterizer,
        *,
        stop: RunStop,
        threads: BlockingCalls,
        limits: BatchLimits,
        on_copy: Callable[[], None],
    ) -> None:
        """Configure; nothing is opened yet.

        Args:
            source: Hands the documents out.
            rasterizer: Counts pages.
            stop: When it is set, no document that waits for room is opened.
            threads: For calls that block.
            limits: How much is open at once.
            on_copy: Called when the source has handed a document out.
        """
        self._stop = stop
        self._source = source
        self._rasterizer = rasterizer
        self._threads = threads
        self._on_copy = on_copy
        self._ahead = Ahead(most_bytes=limits.open_bytes, most_pages=limits.pages_ahead)

    @contextlib.asynccontextmanager
    async def counted(self, document: Document) -> AsyncIterator[CountedFile]:
        """Open a document, as soon as there is room, and count its pages.

        If it was changed since it was listed, that is the reason of any error.

        Raises:
            DocumentUnreadable: It cannot be opened, or was changed.
            NoRoomLeft: The temporary folder is full.
            PagemillError: The run has stopped, for this reason, while the document waited for room.
        """
        repair_bytes = document.size_bytes  # of a copy that a render worker may repair: about those of its document
        async with self._ahead.place(document.copy_bytes + repair_bytes) as place:
            if self._stop.reason:
                raise self._stop.reason
            async with self._copy(document) as (copy, copy_bytes):
                self._ahead.takes(place, copy_bytes + repair_bytes)
                try:
                    async with self._rasterizer.counted(copy.path) as pdf:
                        repaired = await self._threads.downloads(_size_of, pdf.path) if pdf.path != copy.path else 0
                        self._ahead.takes(place, copy_bytes + repaired)
                        await self._threads.downloads(copy.check)
                        yield CountedFile(pdf, DocumentFile(pdf.path, copy.check), self._ahead, place)
                except DocumentUnreadable:
                    await self._threads.downloads(copy.check)
                    raise

    @contextlib.asynccontextmanager
    async def _copy(self, document: Document) -> AsyncIterator[tuple[LocalCopy, int]]:
        """The copy, and the temporary space that it takes, in bytes."""
        held = _HeldCopy(self._source, document)
        try:
            copy, copy_bytes = await self._threads.downloads(held.open)
            self._on_copy()
            yield copy, copy_bytes
        except asyncio.CancelledError:  # a download may still go on
            self._threads.downloads.leave(held.close)
            raise
        except BaseException:
            await self._closed(held)
            raise
        else:
            await self._closed(held)

    async def _closed(self, held: _HeldCopy) -> None:
        """Delete a copy, not on the event loop: it takes a while. Who waits for it may be cancelled, it may not."""
        await asyncio.shield(self._threads.downloads.begin(held.close))


class _HeldCopy:
    """A local copy. It is closed even if it is still being downloaded when it is no longer wanted."""

    def __init__(self, source: DocumentSource, document: Document) -> None:
        self._source = source
        self._document = document
        self._stack = contextlib.ExitStack()
        self._guard = threading.Lock()
        self._closed = False

    def open(self) -> tuple[LocalCopy, int]:
        """The copy, and the temporary space that it takes, in bytes."""
        with self._guard:
            if self._closed:
                raise concurrent.futures.CancelledError
            copy = self._stack.enter_context(self._source.local_copy(self._document))
            return copy, _size_of(copy.path) if self._document.copy_bytes else 0

    def close(self) -> None:
        """Delete it."""
        with self._guard:
            self._closed = True
            self._stack.close()


def _size_of(path: Path) -> int:
    return path.stat().st_size
