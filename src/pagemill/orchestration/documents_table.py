"""The table of a run's documents in the Prefect UI: as much of it as a server takes. summary.json lists everything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from pagemill.domain.pages import keys
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.domain.wording import counted, shown, without_controls

Row = dict[str, object]

_MOST_BYTES = 2**19  # of a request: proxies refuse a body of 1 MiB, nginx by default
_MOST_ROWS = 1000
_LONGEST_CELL = 500  # characters
LONGEST_TEXT = 2000  # characters of a message or a description


def rows(summary: RunSummary) -> tuple[list[Row], int]:
    """The rows, and how many documents have none.

    Documents with failures come first, then those that are not finished, those with suspects, those with findings.
    """
    order = sorted(summary.outcomes, key=_worst_first)
    taken, size = list[Row](), 0
    for outcome in order[:_MOST_ROWS]:
        row = _row(outcome, summary.destination)
        size += len(json.dumps(json.dumps(row)))  # Prefect sends the table as a string of JSON in an object of JSON
        if size > _MOST_BYTES:
            break
        taken.append(row)
    return taken, len(order) - len(taken)


def link(destination: str, key: str) -> str:
    """The URL of an object for a browser; for an object in a bucket, Google asks the user to log in."""
    if destination.startswith("gs://"):
        return f"https://storage.cloud.google.com/{quote(destination.removeprefix('gs://').rstrip('/'))}/{quote(key)}"
    return (Path(destination).absolute() / key).as_uri()


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """The beginning of a text, without control characters."""
    return without_controls(text if len(text) <= longest else f"{text[: longest - 1]}…")


def _worst_first(outcome: DocumentOutcome) -> tuple[bool, bool, int, bool, str]:
    return not outcome.failed, not outcome.trouble, -len(outcome.suspects), not outcome.findings, outcome.key


def _row(outcome: DocumentOutcome, destination: str) -> Row:
    failures = [f"page {number}: {outcome.failures[number]}" for number in sorted(outcome.failures)]
    suspects = (f"page {number}: {trust}" for number, trust in outcome.suspects.items())
    return {
        "document": shortened(shown(outcome.key), _LONGEST_CELL),
        "what failed": shortened(outcome.error, _LONGEST_CELL) or _cell(failures, len(failures)) or outcome.trouble,
        "suspects": _cell(suspects, len(outcome.suspects)),
        "findings": _cell(outcome.findings, len(outcome.findings)),
        "pages": outcome.pages,
        **{status.value: outcome.statuses.get(status, 0) for status in Status},
        "reused": outcome.reused,
        "seconds": round(outcome.seconds, 1),
        "text": link(destination, keys.markdown(outcome.key)) if outcome.pages else "",
    }


def _cell(texts: Iterable[str], count: int) -> str:
    """As many texts as there is room for, at least one, and how many are left out."""
    chosen = list(_fitting(texts))
    left = count - len(chosen)
    return "; ".join([*chosen, f"and {counted(left, 'other')}: see summary.json"] if left else chosen)


def _fitting(texts: Iterable[str]) -> Iterator[str]:
    room = _LONGEST_CELL
    for text in texts:
        if len(text) > room < _LONGEST_CELL:
            return
        yield shortened(text, _LONGEST_CELL)
        room -= len(text)
