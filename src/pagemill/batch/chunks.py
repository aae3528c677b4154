"""Chunks of pages, and how much of a run is in progress at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pagemill.batch.lost_pages import LostPages
from pagemill.domain.pages.model import Document, PageResult, Status
from pagemill.domain.pages.planning import format_pages
from pagemill.domain.pages.trust import Trust
from pagemill.domain.wording import shown


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """What the pages of an opened document are rendered from."""

    path: Path
    check: Callable[[], None]  # raises DocumentChanged if the document is no longer what was listed; blocks
    lost_pages: LostPages = field(default_factory=LostPages)


@dataclass(slots=True)
class PageChunk:
    """Some pages of one document: one task run of the orchestrator. A task run for each page would cost too much."""

    document: Document
    file: DocumentFile
    numbers: tuple[int, ...]
    failed: dict[int, PageResult]  # shared by all chunks of the document, as is the next
    read: Counter[Status]  # results so far
    suspects: dict[int, Trust] = field(default_factory=dict)  # shared as well
    refused: frozenset[int] = frozenset()  # pages with refused transcripts of an earlier run
    redo: frozenset[int] = frozenset()  # pages with a result that is to be replaced by a better one
    started: asyncio.Event = field(default_factory=asyncio.Event)  # all its pages have begun: the next chunk may begin

    @property
    def name(self) -> str:
        """The name of its task run: document and page numbers."""
        return (
            f"{shown(self.document.key)}, {'page' if len(self.numbers) == 1 else 'pages'} {format_pages(self.numbers)}"
        )


Perform = Callable[[PageChunk], Coroutine[Any, Any, object]]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much of a run is in progress at once."""

    pages: int = 24  # being rendered, waiting or in flight
    documents: int = 32  # open: enough documents of one page to reach the limit of pages
    chunk_pages: int = 200
    open_bytes: int = 2**28  # temporary space of open documents; two may exceed it
    pages_ahead: int = 200  # of open documents whose turn has not come
