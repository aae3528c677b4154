"""What a run goes about at once: portions of documents, and how many of what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pagemill.domain.pages.model import Document, PageResult
from pagemill.domain.pages.planning import format_pages


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
