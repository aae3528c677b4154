from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from pagemill.domain.pages import keys
from pagemill.domain.pages.manifest import TEXTS, Manifest, PublishedText, Tally, read_prior_manifest
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status
from pagemill.domain.pages.trust import PageFinding, Trust

_DOCUMENT, _RECIPE = Document("a.pdf", "v1", 10), Recipe("m")


def _manifest(*statuses: Status, error: str = "") -> Manifest:
    tally = Tally()
    for number, status in enumerate(statuses, start=1):
        tally.add(PageResult(number, status, objections=("torn",) if status is Status.FAILED else (), seconds=1.0))
    finished = dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    texts = {} if error else {"document.md": PublishedText(30, "ab" * 32), "pages.jsonl": PublishedText(50, "cd" * 32)}
    return Manifest(_DOCUMENT, _RECIPE, len(statuses), tally, 0.5, finished, error, texts=texts)


def test_pages_are_the_sum_over_the_statuses() -> None:
    body = json.loads(_manifest(Status.OK, Status.BLANK, Status.FAILED, Status.OK).to_json())

    assert body["pages"] == 4 == sum(body["statuses"].values())
    assert body["page_numbers"]["ok"] == "1,4"
    assert body["failures"] == [{"page": 3, "reason": "torn"}]
    assert body["finished_at"] == "2026-01-01T23:00:00+00:00"


def test_an_unchanged_document_is_covered() -> None:
    prior = read_prior_manifest(_manifest(Status.OK, Status.BLANK).to_json().encode())

    assert prior
    assert prior.covers(_DOCUMENT, _RECIPE, (1, 2))
    assert +prior.counts((2,)) == {Status.BLANK: 1}


@pytest.mark.parametrize(
    ("document", "recipe", "selection"),
    [
        (Document("a.pdf", "v2", 10), _RECIPE, (1,)),
        (_DOCUMENT, Recipe("other"), (1,)),
        (_DOCUMENT, _RECIPE, (1, 3)),  # page 3 was not read
        (_DOCUMENT, _RECIPE, (2,)),  # page 2 failed: try again
    ],
)
def test_new_bytes_a_new_recipe_more_pages_or_failed_pages_are_left_to_read(
    document: Document, recipe: Recipe, selection: tuple[int, ...]
) -> None:
    prior = read_prior_manifest(_manifest(Status.OK, Status.FAILED).to_json().encode())

    assert prior
    assert not prior.covers(document, recipe, selection)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"schema": 99}', b'{"schema": 1, "error": null}'])
def test_a_damaged_or_foreign_manifest_is_ignored(text: bytes) -> None:
    assert read_prior_manifest(text) is None


def test_the_manifest_of_an_unreadable_document_is_ignored() -> None:
    assert read_prior_manifest(_manifest(error="encrypted").to_json().encode()) is None


def test_the_texts_of_a_manifest_are_the_objects_beside_it() -> None:
    folder = keys.document_folder("a.pdf")

    assert [keys.markdown("a.pdf"), keys.pages_jsonl("a.pdf")] == [f"{folder}/{name}" for name in TEXTS]


def test_a_manifest_tells_size_and_digest_of_its_texts() -> None:
    body = json.loads(_manifest(Status.OK).to_json())

    assert body["texts"]["document.md"] == {"size_bytes": 30, "sha256": "ab" * 32}


@pytest.mark.parametrize(
    ("sizes", "describes"),
    [
        ({"document.md": 30, "pages.jsonl": 50}, True),
        ({"document.md": 30, "pages.jsonl": 50, "manifest.json": 9, "notes.txt": 1}, True),
        ({"document.md": 30}, False),
        ({"pages.jsonl": 50}, False),
        ({}, False),
        ({"document.md": 29, "pages.jsonl": 50}, False),
        ({"document.md": 30, "pages.jsonl": 0}, False),
    ],
)
def test_a_manifest_describes_its_texts_if_both_have_the_size_that_it_says(
    sizes: dict[str, int], *, describes: bool
) -> None:
    prior = read_prior_manifest(_manifest(Status.OK).to_json().encode())

    assert prior
    assert prior.describes(sizes) is describes


@pytest.mark.parametrize(
    ("sizes", "describes"),
    [
        ({"document.md": 1, "pages.jsonl": 2}, True),
        ({"document.md": 1, "pages.jsonl": 0}, False),
        ({"document.md": 1}, False),
        ({}, False),
    ],
)
def test_the_manifest_of_an_earlier_version_which_tells_no_sizes_needs_texts_that_are_not_empty(
    sizes: dict[str, int], *, describes: bool
) -> None:
    body = json.loads(_manifest(Status.OK).to_json())
    del body["texts"]

    prior = read_prior_manifest(json.dumps(body).encode())

    assert prior
    assert prior.describes(sizes) is describes


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "1"},
        {"schema": None},
        {"error": ["no"]},
        {"error": 0},
        {"document": None},
        {"document": {"version": 1, "page_count": 2}},
        {"document": {"version": "v1", "page_count": "2"}},
        {"document": {"version": "v1", "page_count": 0}},
        {"document": {"version": "v1", "page_count": 10**18}},  # nobody counts up to there
        {"document": {"version": "v1", "page_count": 2, "source": 7}},
        {"document": {"version": "v1", "page_count": 2, "source": "gs://b/\ud800.pdf"}},
        {"recipe": "m"},
        {"recipe": {"id": None}},
        {"page_numbers": None},
        {"page_numbers": {"ok": "1-2"}},  # the other statuses are missing
        {"page_numbers": dict.fromkeys(Status, "") | {"ok": "1-3"}},  # of a document with two pages
        {"page_numbers": dict.fromkeys(Status, "") | {"ok": "1-999999999999"}},
        {"page_numbers": dict.fromkeys(Status, "") | {"ok": "2-1"}},
        {"page_numbers": dict.fromkeys(Status, "") | {"ok": "1,1"}},
        {"page_numbers": dict.fromkeys(Status, "") | {"ok": "1"}},  # of two
        {"page_numbers": dict.fromkeys(Status, "1") | {"ok": "1"}},
        {"page_numbers": dict.fromkeys(Status, "") | {"ok": "one"}},
        {"page_numbers": dict.fromkeys(Status, "") | {"ok": 1}},
        {"pages": 3},
        {"pages": None},
        {"texts": None},
        {"texts": {"document.md": 30}},
        {"texts": {"document.md": {"size_bytes": "30"}, "pages.jsonl": {"size_bytes": 50}}},
        {"texts": {"document.md": {"size_bytes": -1}, "pages.jsonl": {"size_bytes": 50}}},
    ],
    ids=json.dumps,
)
def test_a_manifest_with_a_damaged_field_covers_nothing(damage: dict[str, Any]) -> None:
    body = json.loads(_manifest(Status.OK, Status.BLANK).to_json())
    assert read_prior_manifest(json.dumps(body).encode())

    assert read_prior_manifest(json.dumps(body | damage).encode()) is None


@pytest.mark.parametrize("text", [b"[" * 100_000, b"{" + b'"a":{' * 100_000, b"\xff\xfe{\x00}\x00", bytes(500)])
def test_what_is_no_json_at_all_covers_nothing(text: bytes) -> None:
    assert read_prior_manifest(text) is None


def test_an_error_that_is_no_unicode_can_be_written() -> None:
    assert json.loads(_manifest(error="a \ud800").to_json().encode())["error"] == "a \\ud800"


@pytest.mark.parametrize(
    ("statuses", "error", "complete"),
    [
        ((Status.OK, Status.BLANK), "", True),
        ((Status.OK, Status.FAILED), "", False),
        ((), "encrypted", False),
        ((), "", False),
    ],
)
def test_a_manifest_says_whether_every_page_of_its_document_has_a_result(
    statuses: tuple[Status, ...], error: str, *, complete: bool
) -> None:
    manifest = _manifest(*statuses, error=error)

    assert json.loads(manifest.to_json())["complete"] is complete
    assert not replace(manifest, page_count=len(statuses) + 1).complete  # a selection of pages


def _scored(*scores: float) -> Tally:
    tally = Tally()
    for number, score in enumerate(scores, start=1):
        findings = (PageFinding("low-dpi", 72.0),) if score < 1 else ()
        tally.add(PageResult(number, Status.OK, "text", score=score, findings=findings))
    return tally


def test_suspects_are_ok_pages_below_the_threshold_and_change_no_sum() -> None:
    body = json.loads(replace(_manifest(), tally=_scored(1.0, 0.4, 0.9), page_count=3).to_json())

    assert body["suspects"] == "2"
    assert body["min_score"] == 0.8
    assert body["scores"] == [
        {"page": 2, "score": 0.4, "signals": ["low-dpi"]},
        {"page": 3, "score": 0.9, "signals": ["low-dpi"]},
    ]
    assert body["statuses"]["ok"] == body["pages"] == 3
    assert body["complete"]


def test_the_manifest_says_who_the_witness_was_and_that_there_was_none() -> None:
    assert json.loads(replace(_manifest(), witness="rapidocr-3.10.0").to_json())["witness"] == "rapidocr-3.10.0"
    assert json.loads(_manifest().to_json())["witness"] is None


def test_the_scores_of_an_earlier_run_are_read_and_a_manifest_without_scores_too() -> None:
    text = replace(_manifest(), tally=_scored(1.0, 0.4), page_count=2).to_json()
    body = json.loads(text)
    del body["scores"], body["suspects"], body["min_score"]

    prior, older = read_prior_manifest(text.encode()), read_prior_manifest(json.dumps(body).encode())

    assert prior
    assert prior.scored == {2: Trust(0.4, ("low-dpi",))}
    assert older == replace(prior, scored={})
