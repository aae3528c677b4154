from __future__ import annotations

import datetime as dt
import json

import pytest

from pagemill.domain.pages.manifest import Manifest, Tally, read_prior_manifest
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status

_DOCUMENT, _RECIPE = Document("a.pdf", "v1", 10), Recipe("m")


def _manifest(*statuses: Status, error: str = "") -> Manifest:
    tally = Tally()
    for number, status in enumerate(statuses, start=1):
        tally.add(PageResult(number, status, objections=("torn",) if status is Status.FAILED else (), seconds=1.0))
    finished = dt.datetime(2026, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    return Manifest(_DOCUMENT, _RECIPE, len(statuses), tally, 0.5, finished, error)


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
