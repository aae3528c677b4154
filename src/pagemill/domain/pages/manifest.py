"""The manifest of a document: what was read, with which recipe, and the status of each page."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pagemill.domain.pages.model import Document, PageResult, Recipe, Status
from pagemill.domain.pages.planning import format_pages, read_numbers
from pagemill.errors import UsageError

SCHEMA = 1


@dataclass(slots=True)
class Tally:
    """Sums over page results. It holds no text: memory grows by a few numbers a page."""

    pages: dict[Status, list[int]] = field(default_factory=lambda: {status: [] for status in Status})
    failures: dict[int, str] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    page_seconds: float = 0.0

    def add(self, result: PageResult) -> None:
        """Add a page."""
        self.pages[result.status].append(result.number)
        if result.status is Status.FAILED:
            self.failures[result.number] = "; ".join(result.objections)
        self.prompt_tokens += result.prompt_tokens
        self.completion_tokens += result.completion_tokens
        self.page_seconds += result.seconds

    def counts(self) -> Counter[Status]:
        """The number of pages of each status."""
        return Counter({status: len(numbers) for status, numbers in self.pages.items()})


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `manifest.json`. Where it exists, the document is complete."""

    document: Document
    recipe: Recipe
    page_count: int  # of the PDF; fewer may have been selected
    tally: Tally
    cost_usd: float
    finished_at: dt.datetime  # UTC
    error: str = ""  # why no page of the document could be read

    def to_json(self) -> str:
        """The manifest as JSON."""
        body = {
            "schema": SCHEMA,
            "document": {
                "key": self.document.key,
                "source": self.document.source or None,
                "version": self.document.version,
                "size_bytes": self.document.size_bytes,
                "page_count": self.page_count,
            },
            "recipe": {"id": self.recipe.id} | self.recipe.as_dict(),
            "error": self.error or None,
            "pages": self.tally.counts().total(),
            "statuses": {status.value: count for status, count in self.tally.counts().items()},
            "page_numbers": {status.value: format_pages(numbers) for status, numbers in self.tally.pages.items()},
            "failures": [{"page": page, "reason": reason} for page, reason in sorted(self.tally.failures.items())],
            "prompt_tokens": self.tally.prompt_tokens,
            "completion_tokens": self.tally.completion_tokens,
            "page_seconds": round(self.tally.page_seconds, 3),
            "cost_usd": round(self.cost_usd, 6),
            "finished_at": self.finished_at.astimezone(dt.UTC).isoformat(timespec="seconds"),
        }
        return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class PriorManifest:
    """The part of an earlier run's manifest that the next run needs."""

    version: str
    recipe_id: str
    page_count: int
    pages: Mapping[Status, frozenset[int]]
    source: str = ""  # empty in manifests of earlier versions of pagemill

    def is_of_another(self, document: Document) -> bool:
        """Whether the manifest is of another document, which has the same key below another source.

        A local file with the same bytes is the same document: its folder was moved or copied. Generations of objects
        prove nothing about other objects. A manifest without a source is accepted.
        """
        if not self.source or not document.source or self.source == document.source:
            return False
        return self.version != document.version or not document.source.startswith("file:")

    def covers(self, document: Document, recipe: Recipe, selection: Collection[int]) -> bool:
        """Whether all selected pages have a result. A failed page has none: the next run tries it again."""
        unchanged = self.version == document.version and self.recipe_id == recipe.id
        finished = frozenset().union(*(pages for status, pages in self.pages.items() if status is not Status.FAILED))
        return unchanged and finished.issuperset(selection)

    def counts(self, selection: Collection[int]) -> Counter[Status]:
        """The number of selected pages of each status."""
        return Counter({status: len(pages.intersection(selection)) for status, pages in self.pages.items()})


def read_prior_manifest(text: bytes) -> PriorManifest | None:
    """Parse a manifest; None if it is damaged, has another schema, or its document could not be read."""
    try:
        body: Any = json.loads(text)
        if body["schema"] != SCHEMA or body["error"]:
            return None
        return PriorManifest(
            version=body["document"]["version"],
            recipe_id=body["recipe"]["id"],
            page_count=body["document"]["page_count"],
            source=body["document"].get("source") or "",
            pages={Status(name): frozenset(read_numbers(ranges)) for name, ranges in body["page_numbers"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, UsageError):
        return None
