"""Batches over an endpoint whose answers are drawn by a seed, and what every one of them has to come to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pagemill.batch.gate import Patience
from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import RunSummary
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.fakes.wild_answers import SECRET, WildEndpoint

_SECONDS = 60.0  # a run takes one or two; a busy machine more
_LONGEST_MESSAGE = 2000
_CODES = {ExitCode.DONE, ExitCode.WRONG_USAGE, ExitCode.FAILURES, ExitCode.ENDPOINT_NEVER_ANSWERED}
_HURRIED = Patience(
    wake_seconds=0.4,
    silence_seconds=0.4,
    absent_seconds=0.1,
    longest_retry_after_seconds=0.05,
    probe_seconds=0.001,
    longest_probe_seconds=0.02,
    longest_pause_seconds=0.02,
)
_DOCUMENTS = {"a.pdf": 4, "b.pdf": 1}
_PAGES = sum(_DOCUMENTS.values())


async def read_through(seeds: Iterable[int], folder: Path) -> Counter[ExitCode]:
    """Run a batch for each seed, and check what it comes to; return how often each exit code was the end.

    Raises:
        AssertionError: A run did not come to its end, lost a page, or said what it must not say.
    """
    codes = Counter[ExitCode]()
    wild: WildEndpoint | None = None
    async with FakeEndpoint(
        lambda request: wild.of_page(request) if wild else None,
        probe_fault=lambda path: wild.of_probe(path) if wild else None,
        keep_bodies=False,
    ) as endpoint:
        for seed in seeds:
            mill = _mill(folder / str(seed), endpoint.url)
            wild = WildEndpoint(seed)
            try:
                async with asyncio.timeout(_SECONDS):
                    summary = await mill.run()
                    _check(summary)
                    wild, mill.answer_seconds, mill.patience = None, 30.0, Patience()
                    again = await mill.run()
                assert again.statuses[Status.OK] == _PAGES, again
                assert not again.stopped_by
            except (Exception, asyncio.CancelledError) as error:
                error.add_note(f"seed {seed}")
                raise
            codes[exit_code(summary)] += 1
    return codes


def _mill(folder: Path, url: str) -> Mill:
    (folder / "in").mkdir(parents=True)
    mill = Mill(folder / "in", folder / "out", url=url, answer_seconds=0.15, patience=_HURRIED)
    mill.probe_seconds = 0.15
    for name, pages in _DOCUMENTS.items():
        mill.add(name, str(pages))
    return mill


def _check(summary: RunSummary) -> None:
    """Check one run.

    Raises:
        AssertionError: It lost a page, or said what it must not say.
    """
    reasons = [reason for outcome in summary.outcomes for reason in outcome.failures.values()]
    said = [str(summary.stopped_by or ""), *reasons, *(outcome.error for outcome in summary.outcomes)]
    assert exit_code(summary) in _CODES, said
    assert sum(summary.statuses.values()) == summary.pages <= _PAGES, summary
    assert summary.stopped_by or summary.pages == _PAGES, summary
    assert not summary.stopped_by or not any(outcome.error for outcome in summary.outcomes), summary
    assert set(summary.statuses) <= {Status.OK, Status.FAILED}, summary
    for message in said:
        assert "unforeseen" not in message, message
        assert SECRET not in message, message
        assert len(message.encode()) < _LONGEST_MESSAGE, message
