"""The receipt of a document: what was read, how, and what became of each page."""

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
    """Sums over page results; holds no text, so a document of any length costs a few numbers a page."""

    pages: dict[Status, list[int]] = field(default_factory=lambda: {status: [] for status in Status})
    failures: dict[int, str] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    page_seconds: float = 0.0

    def add(self, result: PageResult) -> None:
        """Count one more page."""
        self.pages[result.status].append(result.number)
        if result.status is Status.FAILED:
            self.failures[result.number] = "; ".join(result.objections)
        self.prompt_tokens += result.prompt_tokens
        self.completion_tokens += result.completion_tokens
        self.page_seconds += result.seconds

    def counts(self) -> Counter[Status]:
        """How many pages of each status."""
        return Counter({status: len(numbers) for status, numbers in self.pages.items()})


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a finished document's `manifest.json` holds. Present means complete."""

    document: Document
    recipe: Recipe
    page_count: int  # of the PDF; what was read may be a selection
    tally: Tally
    cost_usd: float
    finished_at: dt.datetime  # UTC
    error: str = ""  # why the document could not be read at all

    def to_json(self) -> str:
        """The manifest as JSON, for people and programs."""
        body = {
            "schema": SCHEMA,
            "document": {
                "key": self.document.key,
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
class Receipt:
    """What an earlier run's manifest says, as far as the next run needs it."""

    version: str
    recipe_id: str
    page_count: int
    pages: Mapping[Status, frozenset[int]]

    def settles(self, document: Document, recipe: Recipe, selection: Collection[int]) -> bool:
        """Tell whether nothing is left to do for `selection`. Failed pages are left to do: a rerun tries them again."""
        unchanged = self.version == document.version and self.recipe_id == recipe.id
        settled = frozenset().union(*(pages for status, pages in self.pages.items() if status is not Status.FAILED))
        return unchanged and settled.issuperset(selection)

    def counts(self, selection: Collection[int]) -> Counter[Status]:
        """How many of the selected pages have each status."""
        return Counter({status: len(pages.intersection(selection)) for status, pages in self.pages.items()})


def read_receipt(text: bytes) -> Receipt | None:
    """Read an earlier manifest; None if it is damaged, of another schema, or of a document that could not be read."""
    try:
        body: Any = json.loads(text)
        if body["schema"] != SCHEMA or body["error"]:
            return None
        return Receipt(
            version=body["document"]["version"],
            recipe_id=body["recipe"]["id"],
            page_count=body["document"]["page_count"],
            pages={Status(name): frozenset(read_numbers(ranges)) for name, ranges in body["page_numbers"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, UsageError):
        return None
