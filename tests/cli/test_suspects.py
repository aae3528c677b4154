"""Suspects on the command line: named, counted, a failure where a setting says so, and read again on request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

import pytest
from reportlab.pdfgen.canvas import Canvas

from pagemill.cli.main import main
from tests.fakes.ocr_process import Endpoint, running_endpoint
from tests.pdfs import write_pdf

_TEXT = (
    "The bridge over the river was closed for repairs in the spring of the year, because the ice of the long winter "
    "had moved two of its pillars. The carts of the farmers had to take the road through the forest, which was longer "
    "by half a day, and the price of grain in the town rose before May. The council lent money to the mason."
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """It answers with a text that is on no page."""
    with running_endpoint(0.0) as running:
        yield running


@pytest.fixture
def arguments(tmp_path: Path, endpoint: Endpoint) -> list[str]:
    def page(canvas: Canvas) -> None:
        lines = canvas.beginText(72, 720)
        for line in wrap(_TEXT, 80):
            lines.textLine(line)
        canvas.drawText(lines)

    write_pdf(tmp_path / "in/a.pdf", [page])
    return ["run", str(tmp_path / "in"), str(tmp_path / "out"), "--endpoint", endpoint.url, "--json"]


def test_a_suspect_is_named_and_fails_a_run_only_where_the_setting_says_so(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = main(arguments)
    said = capsys.readouterr().err
    main(arguments)
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    monkeypatch.setenv("PAGEMILL_SUSPECTS_FAIL", "true")

    assert first == 0
    assert "1 ok, 0 blank, 0 text_layer, 0 fallback, 0 failed; 1 of the ok ones suspect" in said
    assert "a.pdf, page 1: suspect, score " in said
    assert summary["suspects"] == summary["reused"] == summary["ok"] == 1
    assert summary["suspect_pages"][0]["signals"] == ["text-layer"]
    assert main(arguments) == 3
    assert main([*arguments, "--min-score", "0"]) == 0


def test_suspects_are_read_again_where_retry_names_them(
    arguments: list[str], endpoint: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sum(endpoint.sent.values())
    main(arguments)
    main([*arguments, "--retry", "failed", "--retry", "fallback"])
    between = sum(endpoint.sent.values())
    main([*arguments, "--retry", "failed,suspect"])

    assert between - before == 1
    assert sum(endpoint.sent.values()) - between == 1
    assert main([*arguments, "--retry", "blank"]) == 2
    assert "'blank' in --retry 'blank' is no kind of result; write failed, fallback, suspect" in capsys.readouterr().err
