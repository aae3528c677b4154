"""What `pagemill doctor` says about a machine and its settings."""

from __future__ import annotations

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
