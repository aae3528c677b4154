"""Which pages to read, and in what portions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pagemill.errors import UsageError

_RANGE = re.compile(r"(?P<first>\d+)?(?P<dash>-)?(?P<last>\d+)?")


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


def parse_pages(text: str) -> PageSelection:
    """Read page ranges: comma-separated numbers and ranges, 1-based, `-3` and `7-` open-ended; empty means all pages.

    Raises:
        UsageError: If a part is no page number or range, is page 0, or runs backwards.
    """
    return PageSelection(tuple(_parse_range(part.strip(), text) for part in text.split(",") if text.strip()))


def _parse_range(part: str, text: str) -> tuple[int, int | None]:
    match = _RANGE.fullmatch(part)
    if not match or not (match["first"] or match["last"]):
        raise UsageError(f"'{part}' in --pages '{text}' is no page or range; write for example 1-3,7,10-")
    first = int(match["first"] or 1)
    last = int(match["last"]) if match["last"] else None if match["dash"] else first
    if first < 1 or (last is not None and last < first):
        raise UsageError(f"'{part}' in --pages '{text}' selects nothing; pages count from 1, smaller number first")
    return first, last


def format_pages(numbers: Iterable[int]) -> str:
    """Write page numbers as ranges, `1-3,7`: what `parse_pages` reads."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


def read_numbers(text: str) -> tuple[int, ...]:
    """Read what `format_pages` wrote.

    Raises:
        UsageError: It was something else.
    """
    last = int(text.replace("-", ",").rpartition(",")[2] or 0)
    return parse_pages(text).of(last) if text else ()


def chunks(numbers: Sequence[int], *, size: int) -> tuple[tuple[int, ...], ...]:
    """Cut page numbers into portions of at most `size`, in order."""
    return tuple(tuple(numbers[start : start + size]) for start in range(0, len(numbers), size))
