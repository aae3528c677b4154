"""How the pages of a run are divided among shards. A shard is a run that reads a part of another run."""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from pagemill.domain.pages import strict_json
from pagemill.domain.pages.model import Document
from pagemill.domain.pages.planning import PendingDocument, format_pages, page_chunks, read_numbers
from pagemill.domain.pages.strict_json import JsonObject

SCHEMA = 2


@dataclass(frozen=True, slots=True)
class DocumentSlice:
    """The pages of one document that one shard reads."""

    document: Document
    numbers: tuple[int, ...]
    whole: bool  # all selected pages of the document: the shard publishes it


@dataclass(frozen=True)
class ShardPlan:
    """The document slices of one shard."""

    recipe_id: str  # a shard with another recipe would read pages that the run cannot use
    slices: Mapping[str, DocumentSlice]  # by document key

    def selected(self, document: Document, page_count: int) -> tuple[int, ...]:
        """The pages of a document that the shard reads; none above `page_count`, should the document have changed."""
        return tuple(number for number in self.slices[document.key].numbers if number <= page_count)

    def to_json(self) -> Iterator[str]:
        """The plan as JSON, in parts: one line for each document, of which there may be 100,000."""
        head = {"schema": SCHEMA, "recipe": self.recipe_id, "slices": []}
        yield json.dumps(head).removesuffix("]}")
        separator = "\n"
        for part in self.slices.values():
            body = {"pages": format_pages(part.numbers), "whole": part.whole} | asdict(part.document)
            yield separator + json.dumps(body)
            separator = ",\n"
        yield "\n]}\n"


def read_plan(text: bytes) -> ShardPlan:
    """Parse a plan.

    Raises:
        ValueError: It is damaged, or was written by another version of pagemill.
    """
    body = strict_json.parse(text)
    if (schema := body.count("schema")) != SCHEMA:
        raise ValueError(f"schema {schema} instead of {SCHEMA}")
    slices = [_read_slice(entry) for entry in body.objects("slices")]
    by_key = {part.document.key: part for part in slices}
    if len(by_key) < len(slices):
        raise ValueError("a document is in it twice")
    return ShardPlan(body.text("recipe"), by_key)


def split(pending: Iterable[PendingDocument], *, shards: int) -> tuple[tuple[DocumentSlice, ...], ...]:
    """Divide documents among at most `shards` shards, by the number of pages that are left to read.

    A document stays whole unless it has more pages left than an equal share for each shard. Then it is cut into slices
    of equal length, none longer than a share. The largest slices are assigned first, each to the shard with the fewest
    pages.

    Returns:
        The slices of each shard, ordered by key. Every page that is left is in exactly one. No shard is empty.
    """
    documents = list(pending)
    left = sum(len(document.left) for document in documents)
    share = math.ceil(left / shards) or 1
    weighed = sorted((part for document in documents for part in _slices(document, share)), key=_largest_first)
    assigned: list[dict[str, DocumentSlice]] = [{} for _ in range(min(shards, max(left, 1), len(weighed)))]
    loads = [(0, index) for index in range(len(assigned))]
    for weight, part in weighed:
        load, index = loads[0]
        heapq.heapreplace(loads, (load + weight, index))
        shard, key = assigned[index], part.document.key
        shard[key] = _joined(shard[key], part) if key in shard else part
    return tuple(tuple(shard[key] for key in sorted(shard)) for shard in assigned)


def _slices(pending: PendingDocument, share: int) -> Iterator[tuple[int, DocumentSlice]]:
    """The slices of a document with their weights. A document without pages left still has to be published."""
    left = pending.left
    if len(left) <= share:
        yield max(len(left), 1), DocumentSlice(pending.document, pending.selected, whole=True)
        return
    size = math.ceil(len(left) / math.ceil(len(left) / share))
    for numbers in page_chunks(left, size=size):
        yield len(numbers), DocumentSlice(pending.document, numbers, whole=False)


def _largest_first(weighed: tuple[int, DocumentSlice]) -> tuple[int, str, Sequence[int]]:
    weight, part = weighed
    return -weight, part.document.key, part.numbers


def _joined(one: DocumentSlice, other: DocumentSlice) -> DocumentSlice:
    return DocumentSlice(one.document, tuple(sorted({*one.numbers, *other.numbers})), whole=False)


def _read_slice(entry: JsonObject) -> DocumentSlice:
    document = Document(
        entry.text("key"),
        entry.text("version"),
        entry.count("size_bytes"),
        entry.file_name("location"),
        copy_bytes=entry.count("copy_bytes") if "copy_bytes" in entry.names else 0,
        source=entry.text("source") if "source" in entry.names else "",
    )
    return DocumentSlice(document, read_numbers(entry.text("pages")), whole=entry.flag("whole"))
