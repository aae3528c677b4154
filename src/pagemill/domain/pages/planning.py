"""Which pages to read, and in which chunks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pagemill.domain.pages.model import Document
from pagemill.errors import UsageError

MOST_PAGES = 2**22  # a page is an object, and PDFium numbers objects up to here

_RANGE = re.compile(r"(?P<first>[0-9]{1,9})?(?P<dash>-)?(?P<last>[0-9]{1,9})?")


@dataclass(frozen=True, slots=True)
class PendingDocument:
    """An opened document, with the pages that the run wants and those that already have a result."""

    document: Document
    page_count: int
    selected: tuple[int, ...]  # pages that need a result, ascending
    done: frozenset[int]  # pages that have a result of an earlier run, selected or not
    findings: tuple[str, ...] = ()  # what is wrong with the document as a whole, or not read
    refused: frozenset[int] = frozenset()  # pages with refused transcripts of an earlier run
    redo: frozenset[int] = frozenset()  # pages not in `done` with a result that is to be replaced by a better one

    @property
    def left(self) -> tuple[int, ...]:
        """The pages to read, ascending."""
        return tuple(number for number in self.selected if number not in self.done)

    def without(self, numbers: Collection[int]) -> PendingDocument:
        """The same document, these pages not done."""
        return replace(self, done=self.done.difference(numbers))


class Selection(Protocol):
    """The pages of each document that a run wants."""

    def selected(self, document: Document, page_count: int) -> tuple[int, ...]:
        """Page numbers, ascending, each once; none above `page_count`."""


@dataclass(frozen=True, slots=True)
class PageSelection:
    """Page ranges as a user writes them: `1-3,7,10-`. Without ranges: every page."""

    ranges: tuple[tuple[int, int | None], ...] = ()  # first and last page, 1-based and inclusive; None: to the end

    def of(self, page_count: int) -> tuple[int, ...]:
        """The selected page numbers of a document with `page_count` pages, ascending, each once.

        Pages beyond the end are left out: one selection serves documents of different lengths.
        """
        if not self.ranges:
            return tuple(range(1, page_count + 1))
        chosen = {
            number for first, last in self.ranges for number in range(first, min(last or page_count, page_count) + 1)
        }
        return tuple(sorted(chosen))

    def selected(self, document: Document, page_count: int) -> tuple[int, ...]:  # noqa: ARG002 -- the same for all documents
        """The same ranges for every document."""
        return self.of(page_count)


def parse_pages(text: str) -> PageSelection:
    """Parse page ranges: numbers and ranges with commas between them, 1-based. `-3` and `7-` are open; empty means all.

    Raises:
        UsageError: A part is not a page number or range, is page 0, or its first page is after its last.
    """
    return PageSelection(tuple(_parse_range(part.strip(), text) for part in text.split(",") if text.strip()))


def _parse_range(part: str, text: str) -> tuple[int, int | None]:
    match = _RANGE.fullmatch(part)
    if not match or not (match["first"] or match["last"]):
        raise UsageError(f"'{part}' in --pages '{text}' is not a page or a range; write for example 1-3,7,10-")
    first = int(match["first"] or 1)
    last = int(match["last"]) if match["last"] else None if match["dash"] else first
    if first < 1 or (last is not None and last < first):
        raise UsageError(
            f"'{part}' in --pages '{text}' selects no page; pages count from 1, write the smaller number first"
        )
    return first, last


def format_pages(numbers: Iterable[int]) -> str:
    """Format page numbers as ranges, for example `1-3,7`, which `parse_pages` reads."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def read_numbers(text: str, *, most: int = MOST_PAGES) -> tuple[int, ...]:
    """Read what `format_pages` wrote.

    Raises:
        ValueError: The text has another format, or names a page above `most`.
    """
    numbers: list[int] = []
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        begin, end = int(first), int(last if dash else first)
        if not (numbers[-1] if numbers else 0) < begin <= end <= most:
            raise ValueError(f"'{part[:20]}' is no range of pages up to {most}, in order")
        numbers.extend(range(begin, end + 1))
    return tuple(numbers)


def page_chunks(numbers: Sequence[int], *, size: int) -> tuple[tuple[int, ...], ...]:
    """Divide page numbers into chunks of at most `size`, in order."""
    return tuple(tuple(numbers[start : start + size]) for start in range(0, len(numbers), size))
