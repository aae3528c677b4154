"""The table in the Prefect UI is no larger than a server takes, however much has failed."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.domain.pages.trust import Trust
from pagemill.orchestration.documents_table import rows

_PROXY_LIMIT = 2**20  # nginx refuses larger requests, unless told otherwise


def _summary(*outcomes: DocumentOutcome) -> RunSummary:
    return RunSummary("a-run", len(outcomes), {}, 0, 0, 1.0, 0.0, "out", outcomes)


def _failed(key: str, failures: Mapping[int, str]) -> DocumentOutcome:
    return DocumentOutcome(key, len(failures), {Status.FAILED: len(failures)}, failures=failures)


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(_failed("a.pdf", dict.fromkeys(range(200), "x" * 300)), id="many failed pages"),
        pytest.param(_failed("a.pdf", {1: "日本語" * 100_000}), id="one long reason, not in ASCII"),
        pytest.param(_failed("a.pdf", {1: '"\\' * 100_000}), id="one long reason, to be escaped"),
        pytest.param(DocumentOutcome("a.pdf", 1, {}, findings=("f" * 400,) * 1000), id="many findings"),
        pytest.param(DocumentOutcome("日" * 1300, 1, {}, error="e" * 10_000), id="a long name and a long error"),
    ],
)
def test_the_table_of_a_thousand_such_documents_fits_into_a_request(outcome: DocumentOutcome) -> None:
    table, left_out = rows(_summary(*[outcome] * 1000))

    assert len(json.dumps({"data": json.dumps(table)})) < _PROXY_LIMIT
    assert table
    assert len(table) + left_out == 1000


def test_short_failures_are_all_named_and_of_many_the_first_ones_with_the_number_of_the_others() -> None:
    few = _failed("a.pdf", {2: "blurred", 1: "cut off"})
    many = _failed("b.pdf", dict.fromkeys(range(1, 201), "the endpoint refuses the page: 400"))

    (first, second), _ = rows(_summary(few, many))

    assert first["what failed"] == "page 1: cut off; page 2: blurred"
    assert str(second["what failed"]).startswith("page 1: the endpoint refuses the page: 400; page 2: ")
    assert str(second["what failed"]).endswith("others: see summary.json")


def test_documents_with_failures_come_first_and_control_characters_are_escaped() -> None:
    table, _ = rows(
        _summary(DocumentOutcome("a.pdf", 1, {Status.OK: 1}), DocumentOutcome("z.pdf", 0, {}, error="\x1b"))
    )

    assert [row["document"] for row in table] == ["z.pdf", "a.pdf"]
    assert table[0]["what failed"] == r"\x1b"


def test_documents_with_suspects_come_after_those_with_failures_and_before_all_others() -> None:
    suspect = DocumentOutcome("c.pdf", 2, {Status.OK: 2}, suspects={2: Trust(0.4, ("low-dpi",))})
    table, _ = rows(
        _summary(
            DocumentOutcome("a.pdf", 1, {Status.OK: 1}),
            DocumentOutcome("b.pdf", 1, {Status.OK: 1}, findings=("1 embedded PDF not read",)),
            suspect,
            _failed("z.pdf", {1: "torn"}),
        )
    )

    assert [row["document"] for row in table] == ["z.pdf", "c.pdf", "b.pdf", "a.pdf"]
    assert table[1]["suspects"] == "page 2: score 0.4 (low-dpi)"
    assert table[1]["what failed"] == ""
