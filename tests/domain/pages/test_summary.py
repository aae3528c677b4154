from __future__ import annotations

import datetime as dt
import json
from collections import Counter

import pytest

from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary, read_summary
from pagemill.errors import EndpointNeverAnswered, PagemillError, StoreUnusable
from pagemill.storage.gcs.client import BucketUnusable


@pytest.mark.parametrize("documents", [0, 1, 3])
def test_a_summary_is_one_json_object_with_a_line_for_each_document(documents: int) -> None:
    outcomes = tuple(
        DocumentOutcome(f"größe\n{number}.pdf", 2, {Status.OK: 1, Status.FAILED: 1}, failures={2: 'said "no"'})
        for number in range(documents)
    )
    counts = Counter({Status.OK: documents, Status.FAILED: documents})
    summary = RunSummary("run", documents, counts, 0, 0, 1.0, 0.0, "out", outcomes, StoreUnusable("the disk is full"))

    text = "".join(summary.to_json())

    body = json.loads(text)
    assert body.items() >= summary.as_dict().items()
    assert body["error"] == "the disk is full"
    assert [document["key"] for document in body["document_list"]] == [outcome.key for outcome in outcomes]
    assert all(document["failures"] == [{"page": 2, "reason": 'said "no"'}] for document in body["document_list"])
    assert sum("größe" in line for line in text.splitlines()) == documents


def _summary(stopped_by: PagemillError | None) -> RunSummary:
    outcomes = (
        DocumentOutcome("a.pdf", 2, dict.fromkeys(Status, 0) | {Status.OK: 2}, reused=1, seconds=1.5),
        DocumentOutcome("b.pdf", 0, dict.fromkeys(Status, 0), error="no PDF", failures={3: "empty"}),
    )
    sent, answered = dt.datetime(2026, 11, 23, 1, 2, 3, 4000, dt.UTC), dt.datetime(2026, 11, 23, 1, 3, tzinfo=dt.UTC)
    statuses = dict.fromkeys(Status, 0) | {Status.OK: 2}
    return RunSummary("run", 2, statuses, 1, 1, 2.5, 0.25, "out", outcomes, stopped_by, sent, answered)


def test_a_summary_that_was_written_is_read_back() -> None:
    assert read_summary("".join(_summary(None).to_json()).encode()) == _summary(None)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointNeverAnswered("it sleeps"), EndpointNeverAnswered),
        (BucketUnusable("no such bucket"), StoreUnusable),  # a class that other processes need not know
        (PagemillError("something"), PagemillError),
    ],
)
def test_why_a_run_stopped_is_read_back_as_an_error_of_the_same_kind(
    error: PagemillError, kind: type[PagemillError]
) -> None:
    read = read_summary("".join(_summary(error).to_json()).encode())

    assert type(read.stopped_by) is kind
    assert str(read.stopped_by) == str(error)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"null"])
def test_another_text_is_not_a_summary(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not the summary|Expecting value"):
        read_summary(text)
