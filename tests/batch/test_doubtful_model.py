"""A model that cannot be trusted: no page is shipped as `ok` with a defect that nobody is told of."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from pagemill.batch.conclusion import conclude
from pagemill.batch.shards import plan, plan_of, report_of, write_plans
from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.sharding import split
from pagemill.domain.pages.summary import RunSummary
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill
from tests.fakes.doubtful_model import Defect, DoubtfulModel
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint, Request
from tests.fakes.witness import FakeWitness

_DOCUMENTS = (("a.pdf", 90), ("b.pdf", 1), ("c/d.pdf", 9))
_PAGES = sum(pages for _, pages in _DOCUMENTS)
_RUN = "a-run"
_ROOT = Path(__file__).parents[2]


def _prepared(mill: Mill, seed: int, *, defects: float = 0.1, of: Iterable[Defect] = Defect) -> DoubtfulModel:
    documents = [(name.rpartition("/")[2], pages) for name, pages in _DOCUMENTS]
    model = DoubtfulModel(seed, documents, defects=defects, of=of)
    for name, _ in _DOCUMENTS:
        mill.add(name, model.content_of(name.rpartition("/")[2]))
    mill.witness = FakeWitness(regions=model.empty)
    return model


async def read_alone(folder: Path, seed: int, url: str) -> None:
    """Read all documents; for a process of its own, which is killed."""
    mill = Mill(folder / "in", folder / "out")
    _prepared(mill, seed)
    mill.url = url
    await mill.run()


def _results(mill: Mill) -> dict[str, PageResult]:
    found = {}
    for name, _ in _DOCUMENTS:
        for line in (mill.out / name / "pages.jsonl").read_text().splitlines():
            result = assembly.from_json(line)
            page = f"{name.rpartition('/')[2]} {result.number}"
            assert page not in found
            found[page] = result
    return found


def _assert_trustworthy(mill: Mill, model: DoubtfulModel, summary: RunSummary) -> None:
    """Each page has one status, and what is `ok` and no suspect is what stands on the page."""
    results = _results(mill)
    assert len(results) == _PAGES == summary.pages == sum(summary.statuses.values())
    assert Counter(result.status for result in results.values()) == +Counter(summary.statuses)
    suspects = {(outcome.key, number) for outcome in summary.outcomes for number in outcome.suspects}
    assert len(suspects) == summary.suspects
    for page in model.pages:
        result = results[page.name]
        suspect = result.trust is not None and result.trust.score < 0.8
        if result.status is Status.OK and not suspect:
            assert result.markdown.split() == page.text.split(), page
        if result.status is Status.BLANK:
            assert page.text == "", page
        if page.defect is None:
            assert result.status is Status.OK, page
        if not page.text:
            assert result.status is Status.BLANK, page


@pytest.mark.parametrize("seed", range(4))
async def test_no_page_with_a_defect_is_ok_without_being_a_suspect_and_requests_are_few(mill: Mill, seed: int) -> None:
    model = _prepared(mill, seed)

    async with FakeEndpoint(model.answer, latency_seconds=0.02) as endpoint:
        summary = await mill.run(endpoint)

    _assert_trustworthy(mill, model, summary)
    assert endpoint.record.requests == summary.requests <= 1.3 * _PAGES
    assert summary.statuses[Status.FALLBACK] + summary.statuses[Status.FAILED] < 0.1 * _PAGES


async def test_where_nothing_helps_the_requests_stay_bounded(mill: Mill) -> None:
    model = _prepared(mill, 7, defects=1.0)

    async with FakeEndpoint(model.answer, latency_seconds=0.02) as endpoint:
        summary = await mill.run(endpoint)

    _assert_trustworthy(mill, model, summary)
    assert endpoint.record.requests <= 4 * _PAGES


async def test_pages_with_text_of_pages_beside_them_are_suspects_whichever_is_answered_first(mill: Mill) -> None:
    model = _prepared(mill, 3, defects=0.3, of=[Defect.OTHER_PAGE, Defect.MIXED_UP])

    async with FakeEndpoint(model.answer, latency_seconds=0.02) as endpoint:
        summary = await mill.run(endpoint)

    _assert_trustworthy(mill, model, summary)
    results = _results(mill)
    assert model.mixed_up
    assert all((trust := results[name].trust) and trust.score < 0.8 for name in model.mixed_up)


@pytest.mark.parametrize("seed", range(3))
async def test_a_run_that_is_ended_at_any_moment_goes_on_and_in_the_end_each_page_has_one_status(
    mill: Mill, seed: int
) -> None:
    model = _prepared(mill, seed)
    running: list[asyncio.Task[RunSummary]] = []
    ends_at = [3 + 7 * seed, 30, 60]  # requests since the beginning of all runs

    def answer(request: Request) -> Answer:
        if request.index in ends_at:
            running[-1].cancel()  # nothing of the run is left but what is in the store
        return model.answer(request)

    async with FakeEndpoint(answer, latency_seconds=0.02) as endpoint:
        for _ in ends_at:
            running.append(asyncio.create_task(mill.run(endpoint)))
            with contextlib.suppress(asyncio.CancelledError):
                await running[-1]
        summary = await mill.run(endpoint)

    _assert_trustworthy(mill, model, summary)
    assert endpoint.record.requests <= 1.3 * _PAGES + 8 * 4 * len(ends_at)  # all requests of the pages in flight


@pytest.mark.slow
async def test_after_kill_9_at_any_moment_each_page_has_one_status_and_no_defect_is_shipped(
    mill: Mill, tmp_path: Path
) -> None:
    seed, kill_at = 21, [25, 70]  # requests since the beginning of all runs
    model = _prepared(mill, seed)
    processes: list[asyncio.subprocess.Process] = []

    def answer(request: Request) -> Answer:
        if request.index in kill_at:
            processes[-1].kill()
        return model.answer(request)

    async with FakeEndpoint(answer, latency_seconds=0.02) as endpoint:
        script = (
            "import asyncio, pathlib, sys; from tests.batch.test_doubtful_model import read_alone; "
            "asyncio.run(read_alone(pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))"
        )
        for _ in kill_at:
            arguments = ("-c", script, str(tmp_path), str(seed), endpoint.url)
            processes.append(await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=_ROOT))
            assert await processes[-1].wait() == -signal.SIGKILL
        summary = await mill.run(endpoint)

    _assert_trustworthy(mill, model, summary)
    assert summary.reused > 30
    assert endpoint.record.requests <= 1.3 * _PAGES + 8 * 4 * len(kill_at)


@pytest.mark.parametrize("shards", [3])
async def test_a_run_in_shards_ships_no_page_with_a_defect_unsuspected(mill: Mill, shards: int) -> None:
    model = _prepared(mill, 11)

    async with FakeEndpoint(model.answer, latency_seconds=0.02) as endpoint, mill.batch(endpoint.url) as batch:
        pending = await plan(batch)
        divided = split(pending, shards=shards)
        write_plans(batch, _RUN, divided)
        numbers = range(1, len(divided) + 1)
        for number in numbers:
            async with mill.batch(endpoint.url, plan=plan_of(LocalStore(mill.out), _RUN, number)) as shard:
                await shard.run(keys.shard_id(_RUN, number))
        reports = [report_of(batch.publisher.destination, _RUN, number) for number in numbers]
        summary = await conclude(batch, _RUN, pending, divided, reports)

    _assert_trustworthy(mill, model, summary)
    assert endpoint.record.requests == summary.requests <= 1.3 * _PAGES


async def test_a_second_run_sends_nothing_and_says_the_same(mill: Mill) -> None:
    model = _prepared(mill, 5)

    async with FakeEndpoint(model.answer, latency_seconds=0.02) as endpoint:
        first = await mill.run(endpoint)
        sent = endpoint.record.requests
        second = await mill.run(endpoint)

    assert endpoint.record.requests == sent
    assert second.statuses == first.statuses
    assert second.suspects == first.suspects
