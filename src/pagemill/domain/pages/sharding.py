"""How a run's pages are divided among shards: several runs that read for one."""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pagemill.domain.pages.model import Document
from pagemill.domain.pages.planning import chunks, format_pages, read_numbers

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Work:
    """A document that was opened, and what is to be done about it."""

    document: Document
    page_count: int
    selected: tuple[int, ...]  # pages that the run is to have a result of
    done: frozenset[int]  # pages that have one from before, selected or not

    @property
    def left(self) -> tuple[int, ...]:
        """The pages to read, ascending."""
        return tuple(number for number in self.selected if number not in self.done)


@dataclass(frozen=True, slots=True)
class Piece:
    """The pages of one document that one shard is to have a result of."""

    document: Document
    numbers: tuple[int, ...]
    whole: bool  # all that the run wants of it: the shard publishes the document


@dataclass(frozen=True)
class ShardPlan:
    """What one shard is to do."""

    recipe_id: str  # a shard with other settings would read pages that the run does not look for
    pieces: Mapping[str, Piece]  # by the documents' keys

    def selected(self, document_key: str, page_count: int) -> tuple[int, ...]:
        """The pages to have a result of; none of a document that has become shorter since."""
        return tuple(number for number in self.pieces[document_key].numbers if number <= page_count)

    def to_json(self) -> Iterator[str]:
        """The plan as an object holds it, in parts: a line a document, and there may be 100,000."""
        head = {"schema": SCHEMA, "recipe": self.recipe_id, "pieces": []}
        yield json.dumps(head).removesuffix("]}")
        separator = "\n"
        for piece in self.pieces.values():
            body = {"pages": format_pages(piece.numbers), "whole": piece.whole} | asdict(piece.document)
            yield separator + json.dumps(body)
            separator = ",\n"
        yield "\n]}\n"


def read_plan(text: bytes) -> ShardPlan:
    """Read what `to_json` wrote.

    Raises:
        ValueError: It is damaged, or of another version of pagemill.
    """
    body: Any = json.loads(text)
    if body["schema"] != SCHEMA:
        raise ValueError(f"schema {body['schema']} instead of {SCHEMA}")
    pieces = [_piece(**entry) for entry in body["pieces"]]
    return ShardPlan(body["recipe"], {piece.document.key: piece for piece in pieces})


def split(works: Iterable[Work], *, shards: int) -> tuple[tuple[Piece, ...], ...]:
    """Divide documents among at most `shards` shards, by the pages that are left of them.

    A document stays whole unless more is left of it than a shard's equal share; then it is cut into page ranges of
    equal length, none longer than a share. The largest pieces are dealt first, each to the shard that has least.

    Returns:
        The pieces of each shard, in the order of keys; every page that is left in exactly one. No shard is empty.
    """
    found = list(works)
    left = sum(len(work.left) for work in found)
    share = math.ceil(left / shards) or 1
    pieces = sorted((piece for work in found for piece in _pieces(work, share)), key=_largest_first)
    hands: list[dict[str, Piece]] = [{} for _ in range(min(shards, max(left, 1), len(pieces)))]
    loads = [(0, index) for index in range(len(hands))]
    for weight, piece in pieces:
        load, index = loads[0]
        heapq.heapreplace(loads, (load + weight, index))
        hand, key = hands[index], piece.document.key
        hand[key] = _joined(hand[key], piece) if key in hand else piece
    return tuple(tuple(hand[key] for key in sorted(hand)) for hand in hands)


def _pieces(work: Work, share: int) -> Iterator[tuple[int, Piece]]:
    """The pieces of a document, each with its weight. Nothing left to read is still something to publish."""
    left = work.left
    if len(left) <= share:
        yield max(len(left), 1), Piece(work.document, work.selected, whole=True)
        return
    size = math.ceil(len(left) / math.ceil(len(left) / share))
    for numbers in chunks(left, size=size):
        yield len(numbers), Piece(work.document, numbers, whole=False)


def _largest_first(weighed: tuple[int, Piece]) -> tuple[int, str, Sequence[int]]:
    weight, piece = weighed
    return -weight, piece.document.key, piece.numbers


def _joined(one: Piece, other: Piece) -> Piece:
    return Piece(one.document, tuple(sorted({*one.numbers, *other.numbers})), whole=False)


def _piece(pages: str, *, whole: bool, **document: Any) -> Piece:
    return Piece(Document(**document), read_numbers(pages), whole=whole)
