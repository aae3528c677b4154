from __future__ import annotations

import json
from collections import Counter

import pytest

from pagemill.domain.model import Status
from pagemill.domain.summary import DocumentOutcome, RunSummary
from pagemill.errors import StoreUnusable


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
