from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import replace

import pytest

from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary, read_summary
from pagemill.domain.pages.trust import Trust
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
    assert body.items() >= {name: value for name, value in summary.as_dict().items() if name in body}.items()
    assert body["error"] == "the disk is full"
    assert [document["key"] for document in body["document_list"]] == [outcome.key for outcome in outcomes]
    assert all(document["failures"] == [{"page": 2, "reason": 'said "no"'}] for document in body["document_list"])
    assert sum("größe" in line for line in text.splitlines()) == documents


_LOW = Trust(0.4, ("low-dpi", "foreign-script"))


def _summary(stopped_by: PagemillError | None) -> RunSummary:
    outcomes = (
        DocumentOutcome(
            "a.pdf", 2, dict.fromkeys(Status, 0) | {Status.OK: 2}, reused=1, seconds=1.5, suspects={2: _LOW}
        ),
        DocumentOutcome("b.pdf", 0, dict.fromkeys(Status, 0), error="no PDF", failures={3: "empty"}),
        DocumentOutcome("c.pdf", 0, dict.fromkeys(Status, 0), finished=False),
    )
    sent, answered = dt.datetime(2026, 11, 23, 1, 2, 3, 4000, dt.UTC), dt.datetime(2026, 11, 23, 1, 3, tzinfo=dt.UTC)
    statuses = dict.fromkeys(Status, 0) | {Status.OK: 2}
    return RunSummary("run", 2, statuses, 1, 1, 2.5, 0.25, "out", outcomes, stopped_by, sent, answered)


def test_a_summary_that_was_written_is_read_back() -> None:
    summary = replace(_summary(None), witness="rapidocr-3.10.0")

    assert read_summary("".join(summary.to_json()).encode()) == summary


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


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"null", b"[" * 100_000, b"\xff\xff", bytes(100)])
def test_another_text_is_not_a_summary(text: bytes) -> None:
    with pytest.raises(ValueError, match="not the summary of a run"):
        read_summary(text)


_DOCUMENT = json.loads("".join(_summary(None).to_json()))["document_list"][0]


@pytest.mark.parametrize(
    "damage",
    [
        {"run_id": None},
        {"documents": -1},
        {"ok": "two"},
        {"ok": None},
        {"reused": 0.5},
        {"requests": True},
        {"seconds": float("nan")},
        {"cost_usd": float("inf")},
        {"error": {"message": "no"}},
        {"error": "no", "error_type": None},
        {"first_sent_at": "yesterday"},
        {"first_sent_at": 5},
        {"last_answer_at": "2026-11-23T01:03:00"},  # no time zone: it cannot be compared
        {"document_list": None},
        {"document_list": {}},
        {"document_list": [None]},
        {"document_list": [_DOCUMENT | {"key": 7}]},
        {"document_list": [_DOCUMENT | {"pages": None}]},
        {"document_list": [_DOCUMENT | {"statuses": {"ok": 2}}]},
        {"document_list": [_DOCUMENT | {"statuses": [2]}]},
        {"document_list": [_DOCUMENT | {"failures": [{"page": "3", "reason": "empty"}]}]},
        {"document_list": [_DOCUMENT | {"failures": [["3", "empty"]]}]},
        {"document_list": [_DOCUMENT | {"error": 7}]},
    ],
    ids=json.dumps,
)
def test_a_summary_with_a_damaged_field_is_refused_in_words(damage: dict[str, object]) -> None:
    body = json.loads("".join(_summary(None).to_json()))

    with pytest.raises(ValueError, match=r"not the summary of a run: .+"):
        read_summary(json.dumps(body | damage).encode())


def test_messages_that_are_no_unicode_can_be_written() -> None:
    text = "".join(_summary(StoreUnusable("a \ud800")).to_json())

    assert json.loads(text.encode())["error"] == "a \\ud800"


def test_the_printed_object_holds_each_failure_with_its_document_and_page() -> None:
    printed = json.loads(json.dumps(_summary(StoreUnusable("the disk is full")).as_dict()))

    assert printed["failures"] == [
        {"document": "b.pdf", "page": None, "reason": "no PDF"},
        {"document": "b.pdf", "page": 3, "reason": "empty"},
    ]
    assert (printed["documents_failed"], printed["error"]) == (1, "the disk is full")


@pytest.mark.parametrize(
    ("outcomes", "failed_pages", "says"),
    [
        ((), 0, ""),
        ((DocumentOutcome("a", 2, {Status.FAILED: 2}),), 2, "2 pages failed"),
        ((DocumentOutcome("a", 0, {}, error="no PDF"),), 0, "1 document unreadable"),
        ((DocumentOutcome("a", 3, {Status.OK: 3}, error="another run keeps writing"),), 0, "1 document not published"),
        ((DocumentOutcome("a", 1, {Status.OK: 1}, finished=False),), 0, "1 document not finished"),
        (
            (
                DocumentOutcome("a", 1, {Status.FAILED: 1}, finished=False),
                *[DocumentOutcome("b", 0, {}, error="x")] * 4,
            ),
            1,
            "1 page failed, 4 documents unreadable, 1 document not finished",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pages_and_documents_without_a_result_are_counted_apart(
    outcomes: tuple[DocumentOutcome, ...], failed_pages: int, says: str
) -> None:
    summary = replace(_summary(None), outcomes=outcomes, statuses={Status.FAILED: failed_pages})

    assert summary.trouble == says


def test_a_summary_of_a_run_that_stopped_or_left_documents_unfinished_is_not_complete() -> None:
    done = DocumentOutcome("a", 1, {Status.OK: 1})
    whole = replace(_summary(None), outcomes=(done,))

    assert whole.complete
    assert not replace(whole, outcomes=(replace(done, finished=False),)).complete
    assert not replace(whole, stopped_by=StoreUnusable("the disk is full")).complete


def test_suspects_are_counted_and_named_and_fail_only_where_a_setting_says_so() -> None:
    outcome = DocumentOutcome("a.pdf", 2, {Status.OK: 2}, suspects={2: _LOW})
    summary = RunSummary("run", 1, {Status.OK: 2}, 0, 2, 1.0, 0.0, "out", (outcome,))

    body = summary.as_dict()

    assert body["suspects"] == 1
    assert body["suspect_pages"] == [
        {"document": "a.pdf", "page": 2, "score": 0.4, "signals": ["low-dpi", "foreign-script"]}
    ]
    assert summary.complete
    assert summary.passed
    assert not replace(summary, suspects_fail=True).passed
