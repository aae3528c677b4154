from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Any

import pytest

from pagemill.domain.evaluation.results import DocumentRecord, ReadPage, read_pages, read_record
from pagemill.domain.pages.assembly import to_json
from pagemill.domain.pages.manifest import Manifest, PublishedText, Tally
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status

_PAGES = (
    PageResult(1, Status.OK, "one", seconds=1.5, attempts=1),
    PageResult(2, Status.FAILED, objections=("cut off",), seconds=4.0, attempts=2),
)


def _published() -> tuple[bytes, bytes]:
    """A manifest and its page results, as a run writes them."""
    pages = "".join(map(to_json, _PAGES)).encode()
    tally = Tally()
    for page in _PAGES:
        tally.add(page)
    manifest = Manifest(
        document=Document("a.pdf", "v1", 10),
        recipe=Recipe("model"),
        page_count=2,
        tally=tally,
        cost_usd=0.25,
        finished_at=dt.datetime(2031, 3, 4, tzinfo=dt.UTC),
        texts={"pages.jsonl": PublishedText(len(pages), hashlib.sha256(pages).hexdigest())},
    )
    return manifest.to_json().encode(), pages


def test_what_a_run_has_written_is_read() -> None:
    manifest, pages = _published()
    record = read_record(manifest)

    assert (record.key, record.page_count, record.pages, record.seconds, record.cost_usd) == ("a.pdf", 2, 2, 5.5, 0.25)
    assert read_pages(pages, record) == [ReadPage(1, Status.OK, "one"), ReadPage(2, Status.FAILED, "")]


def test_scores_are_read_where_a_run_gave_some() -> None:
    record = read_record(_published()[0])
    lines = [
        json.dumps({"number": n, "status": "ok", "markdown": "x", "score": score}) for n, score in [(1, 0.3), (2, None)]
    ]

    pages = read_pages("\n".join(lines).encode(), _unchecked(record))

    assert [page.score for page in pages] == [0.3, None]


def test_page_results_that_are_not_those_of_the_manifest_are_refused() -> None:
    manifest, pages = _published()

    with pytest.raises(ValueError, match="not the one that its manifest describes"):
        read_pages(pages[:-2], read_record(manifest))


@pytest.mark.parametrize("changed", [{"schema": 9}, {"document": {}}, {"page_seconds": "long"}, {"texts": 3}])
def test_a_damaged_manifest_is_refused(changed: dict[str, Any]) -> None:
    body = json.loads(_published()[0]) | changed

    with pytest.raises(ValueError, match=r"schema|missing|no number|no JSON object"):
        read_record(json.dumps(body).encode())


@pytest.mark.parametrize(
    "pages",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"number": 0, "status": "ok", "markdown": ""}',
        b'{"number": 1, "status": "?", "markdown": ""}',
    ],
)
def test_damaged_page_results_are_refused(pages: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_pages(pages, _unchecked(read_record(_published()[0])))


def _unchecked(record: DocumentRecord) -> DocumentRecord:
    """The record of version 0.1, which knows no digest."""
    body = json.loads(_published()[0])
    del body["texts"]
    assert read_record(json.dumps(body).encode()).key == record.key
    return read_record(json.dumps(body).encode())
