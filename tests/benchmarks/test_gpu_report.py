from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.gpu_service import report

ROOT = Path(__file__).parents[2]
_MEASURED = report.read(ROOT / "benchmarks/gpu_service/results/h100.jsonl")


def _load(server: str, in_flight: int, tokens: int, rate: float, pages: int = 8) -> dict[str, Any]:
    what = {"in_flight": in_flight, "tokens": tokens, "pages": pages, "pages_per_second": rate}
    return {"server": server, "what": "load", **what}


def _printed(lines: list[dict[str, Any]]) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=100).print(report.compared(lines))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_of_two_measurements_of_a_load_the_one_of_more_pages_counts() -> None:
    lines = [_load("ours", 24, 700, 6.0, pages=72), _load("ours", 24, 700, 5.0, pages=24), _load("stock", 24, 700, 1.0)]

    assert report.measurements(lines, "ours") == {(24, 700): 6.0}


def test_ours_is_compared_with_the_stock_server_of_the_same_kind() -> None:
    servers = ["stock, 8", "ours, 8", "stock, an L4's memory and budget", "ours, an L4's memory", "ours, weights"]
    lines = [_load(server, 8, 700, 1.0) for server in servers]

    assert list(report.pairs(lines)) == [
        ("stock, 8", "ours, 8"),
        ("stock, an L4's memory and budget", "ours, an L4's memory"),
    ]


def test_the_table_has_what_both_measured_and_the_ratio() -> None:
    lines = [
        *(_load("stock, 8", *load) for load in ((8, 16, 5.0), (8, 700, 2.0), (1, 700, 0.5))),
        *(_load("ours, 8", *load) for load in ((8, 16, 15.0), (8, 700, 3.0))),
        {**_load("stock, 8", 4, 16, 4.0), "first_token_seconds": 0.5},
        {**_load("ours, 8", 4, 16, 8.0), "first_token_seconds": 0.2},
        {"server": "stock, 8", "what": "start", "first_page_seconds": 100.0},
        {"server": "ours, 8", "what": "start", "first_page_seconds": 40.0},
    ]

    assert _printed(lines)[1:] == [
        "8",
        "pages/s, 4 in flight, 16 tokens 4.00 8.00 2.00",
        "pages/s, 8 in flight, 16 tokens 5.00 15.00 3.00",
        "pages/s, 8 in flight, 700 tokens 2.00 3.00 1.50",
        "s until the first token, 4 in flight, 16 tokens 0.50 0.20 0.40",
        "s until the first page is read 100 40 0.40",
    ]


@pytest.mark.parametrize(
    ("kind", "in_flight", "tokens", "row"),
    [
        (", 8 sequences", 8, 16, "| 8 in flight, 16 tokens (image and prompt alone)"),
        (", 8 sequences", 8, 700, "| 8 in flight, 700 tokens"),
        (", 24 sequences", 24, 700, "| 24 in flight, 700 tokens (`--max-num-seqs 24`)"),
        (", an L4's memory", 8, 16, "| **an L4's memory and step** (below): 8 in flight, 16 tokens"),
        (", an L4's memory", 8, 700, "| an L4's memory and step: 8 in flight, 700 tokens"),
    ],
)
def test_the_documentation_says_what_was_measured(kind: str, in_flight: int, tokens: int, row: str) -> None:
    (stock,) = (before for before, after in report.pairs(_MEASURED) if after == f"ours{kind}")
    before, after = (report.measurements(_MEASURED, server)[in_flight, tokens] for server in (stock, f"ours{kind}"))

    text = (ROOT / "docs/gpu-service.md").read_text()
    assert f"{row} | {before:.2f} | {after:.2f} | {after / before:.2f} |" in text


@pytest.mark.parametrize("side", ["stock", "ours"])
def test_the_documentation_says_how_long_the_first_token_took(side: str) -> None:
    found = report.measurements(_MEASURED, f"{side}, 24 sequences", "first_token_seconds")

    said = " | ".join(f"{found[in_flight, 16]:.2f}" for in_flight in (1, 4, 8, 16, 24))
    assert f"| {side} | {said} |" in (ROOT / "docs/gpu-service.md").read_text()


def test_results_are_figures_without_texts() -> None:
    for path in sorted((ROOT / "benchmarks/gpu_service/results").glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]

        assert lines
        assert not any(isinstance(line.get("texts"), list) for line in lines), path.name
