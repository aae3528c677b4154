"""A run whose pages others read: in the end it is as if it had read them itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pagemill.batch.conclusion import conclude
from pagemill.batch.shards import plan, plan_of, report_of, write_plans
from pagemill.domain.pages import keys
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.sharding import split
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import EndpointNeverAnswered, ShardLost, StoreUnusable, UsageError
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill, NoThreads
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint, Request, failing, image_name

_RUN = "a-run"
_UNREADABLE = {image_name(b"long.pdf 7"), image_name(b"b.pdf 1")}


def _answer(request: Request) -> Answer | None:
    return failing(400, "cannot identify image") if request.image in _UNREADABLE else None


async def _run_in_shards(
    mill: Mill,
    endpoint: FakeEndpoint,
    shards: int,
    *,
    pages: str = "",
    turns: Sequence[int] | None = None,
    before_turn: Callable[[int], object] = lambda _: None,
    retry: str = "",
) -> RunSummary:
    """What `ocr-batch` does with its shards, one after the other, or in the `turns` named; others are lost."""
    async with mill.batch(endpoint.url, pages=pages, retry=retry) as batch:
        pending = await plan(batch)
        divided = split(pending, shards=shards)
        write_plans(batch, _RUN, divided)
        numbers = range(1, len(divided) + 1)
        for number in numbers if turns is None else turns:
            before_turn(number)
            await _run_shard(mill, endpoint, number, retry=retry)
        reports = [report_of(batch.publisher.destination, _RUN, number) for number in numbers]
        stopped_by = None if all(reports) else ShardLost("a shard crashed twice")
        return await conclude(batch, _RUN, pending, divided, reports, stopped_by=stopped_by)


async def _run_shard(mill: Mill, endpoint: FakeEndpoint, number: int, *, retry: str = "") -> RunSummary:
    shard_plan = plan_of(LocalStore(mill.out), _RUN, number)
    async with mill.batch(endpoint.url, plan=shard_plan, retry=retry) as batch:
        return await batch.run(keys.shard_id(_RUN, number))


def _texts(folder: Path) -> dict[str, tuple[str, list[Any]]]:
    """Markdown, and of the pages' results what does not depend on time."""
    found = {}
    for path in folder.glob("**/document.md"):
        results = [json.loads(line) | {"seconds": 0} for line in path.with_name("pages.jsonl").read_text().splitlines()]
        found[path.parent.relative_to(folder).as_posix()] = path.read_text(), results
    return found


def _untimed(summary: RunSummary) -> tuple[object, ...]:
    """The account, but for what depends on time."""
    outcomes = [(o.key, o.pages, +Counter(o.statuses), o.reused, o.error, dict(o.failures)) for o in summary.outcomes]
    return summary.documents, +Counter(summary.statuses), summary.reused, summary.requests, outcomes


def _assert_accounted_for(summary: RunSummary) -> None:
    assert summary.pages == sum(summary.statuses.values()) == sum(outcome.pages for outcome in summary.outcomes)
    assert summary.documents == len(summary.outcomes)


@pytest.fixture
def documents(mill: Mill) -> Mill:
    contents = {
        "long.pdf": "30 blank=3 broken=20",
        "b.pdf": "4",
        "deep/c.pdf": "5 text=2",
        "damaged.pdf": "no PDF",
        "d.pdf": "1",
    }
    for name, content in contents.items():
        mill.add(name, content)
    return mill


@pytest.mark.parametrize("shards", [2, 4, 9])
async def test_a_run_in_shards_has_the_same_results_as_a_run_without(
    documents: Mill, tmp_path: Path, shards: int, no_threads: NoThreads
) -> None:
    alone = Mill(documents.source, tmp_path / "alone")
    async with FakeEndpoint(_answer) as endpoint:
        wanted = await alone.run(endpoint)
    async with FakeEndpoint(_answer) as endpoint:
        got = await _run_in_shards(documents, endpoint, shards)

    assert _untimed(got) == _untimed(wanted)
    assert _texts(documents.out) == _texts(alone.out)
    written = json.loads((documents.out / "_runs" / _RUN / "summary.json").read_text())
    assert written.items() >= {name: value for name, value in got.as_dict().items() if name in written}.items()
    assert got.first_sent_at
    assert got.last_answer_at
    assert got.cost_usd == pytest.approx((got.last_answer_at - got.first_sent_at).total_seconds(), abs=0.01)
    _assert_accounted_for(got)
    assert no_threads.calls == []


async def test_a_second_run_in_shards_sends_only_what_failed(documents: Mill) -> None:
    async with FakeEndpoint(_answer) as endpoint:
        await _run_in_shards(documents, endpoint, 3)
    async with FakeEndpoint() as endpoint:
        second = await _run_in_shards(documents, endpoint, 3)

    assert endpoint.record.requests == second.requests == len(_UNREADABLE)
    assert second.statuses[Status.FAILED] == 1  # the page that does not draw
    assert second.reused == 37
    _assert_accounted_for(second)


async def test_a_run_with_nothing_left_to_read_starts_no_shard(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        again = await _run_in_shards(mill, endpoint, 3)

    assert (again.pages, again.reused, again.requests) == (3, 3, 0)
    assert not (mill.out / "_runs" / _RUN / "shards").exists()


async def test_a_document_that_was_read_and_not_published_is_published_by_a_shard(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        (mill.out / "a.pdf/manifest.json").unlink()
        again = await _run_in_shards(mill, endpoint, 3)

    assert (again.pages, again.reused, again.requests) == (3, 3, 0)
    assert (mill.out / "a.pdf/manifest.json").exists()


async def test_selected_pages_are_divided_too(documents: Mill) -> None:
    async with FakeEndpoint() as endpoint:
        summary = await _run_in_shards(documents, endpoint, 4, pages="2-9")

    assert {outcome.key: outcome.pages for outcome in summary.outcomes} == {
        "long.pdf": 8,
        "b.pdf": 3,
        "deep/c.pdf": 4,
        "damaged.pdf": 0,
        "d.pdf": 0,
    }
    _assert_accounted_for(summary)


async def test_a_second_attempt_counts_its_first_ones_pages_as_the_runs_own(mill: Mill) -> None:
    mill.add("a.pdf", "20")
    mill.add("b.pdf", "2")
    async with FakeEndpoint() as endpoint:
        summary = await _run_in_shards(mill, endpoint, 2, turns=[1, 1, 2])

    assert endpoint.record.requests == 22
    assert (summary.pages, summary.reused) == (22, 0)


async def test_a_lost_shard_costs_its_own_pages_and_the_run_says_so(documents: Mill) -> None:
    async with FakeEndpoint() as endpoint:
        summary = await _run_in_shards(documents, endpoint, 4, turns=[1, 3, 4])
        unread = 40 - summary.pages
        again = await _run_in_shards(documents, endpoint, 2)

    assert isinstance(summary.stopped_by, ShardLost)
    assert summary.pages == sum(summary.statuses.values()) < 40
    assert 0 < unread <= 10
    assert any(not outcome.finished for outcome in summary.outcomes)
    _assert_accounted_for(summary)
    assert again.stopped_by is None
    assert again.pages == 40
    _assert_accounted_for(again)


async def test_a_shard_that_stopped_stops_the_run_for_the_same_reason(mill: Mill) -> None:
    mill.add("a.pdf", "20")
    async with FakeEndpoint(lambda _: failing(503)) as endpoint:
        mill.patience = type(mill.patience)(wake_seconds=0.1, silence_seconds=0.1, probe_seconds=0.01)
        summary = await _run_in_shards(mill, endpoint, 2)

    assert isinstance(summary.stopped_by, EndpointNeverAnswered)
    assert summary.pages == 0
    assert summary.trouble == "1 document not finished"
    _assert_accounted_for(summary)
    assert not (mill.out / "a.pdf/manifest.json").exists()


async def test_a_document_that_is_gone_when_its_shard_opens_it_has_failed_pages(mill: Mill) -> None:
    mill.add("a.pdf", "20")
    mill.add("b.pdf", "2")

    def take_away(turn: int) -> None:
        if turn == 2:
            (mill.source / "a.pdf").unlink()

    async with FakeEndpoint() as endpoint:
        summary = await _run_in_shards(mill, endpoint, 2, before_turn=take_away)

    (of_a,) = (outcome for outcome in summary.outcomes if outcome.key == "a.pdf")
    assert of_a.pages == 20
    assert of_a.statuses[Status.FAILED] == len(of_a.failures) == 10
    assert all("deleted after the run began" in reason for reason in of_a.failures.values())
    _assert_accounted_for(summary)


async def test_a_source_that_cannot_be_read_is_reported_and_starts_no_shard(mill: Mill) -> None:
    async with FakeEndpoint() as endpoint:
        summary = await _run_in_shards(mill, endpoint, 2)

    assert isinstance(summary.stopped_by, StoreUnusable)
    assert summary.documents == 0


def test_a_shard_without_a_plan_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no plan .*001/plan\.json.*same destination"):
        plan_of(LocalStore(tmp_path), _RUN, 1)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"schema": 1}', b'{"schema": 2, "recipe": "", "slices": [{}]}'])
def test_a_plan_that_cannot_be_read_is_named(tmp_path: Path, text: bytes) -> None:
    store = LocalStore(tmp_path)
    store.write(keys.shard_plan(_RUN, 1), text, content_type="application/json")

    with pytest.raises(UsageError, match="same pagemill on all machines"):
        plan_of(store, _RUN, 1)


def test_a_shard_that_did_not_finish_has_no_report(tmp_path: Path) -> None:
    assert report_of(LocalStore(tmp_path), _RUN, 1) is None


async def test_shards_read_again_just_the_pages_that_retry_names(mill: Mill) -> None:
    mill.add("a.pdf", "30 layer=7:its_own_text layer=20:its_own_text")
    mill.add("b.pdf", "2 layer=1:its_own_text")
    pages = {image_name(name) for name in (b"a.pdf 7", b"a.pdf 20", b"b.pdf 1")}
    kinds = (b"", b" x1.5", b" x2 piece 1", b" x2 piece 2")
    refused = {image_name(name + kind) for name in (b"a.pdf 7", b"a.pdf 20", b"b.pdf 1") for kind in kinds}

    async with FakeEndpoint(lambda request: Answer(text="") if request.image in refused else None) as endpoint:
        first = await _run_in_shards(mill, endpoint, 3)
    async with FakeEndpoint() as endpoint:
        second = await _run_in_shards(mill, endpoint, 3, retry="fallback")

    assert +Counter(first.statuses) == {Status.OK: 29, Status.FALLBACK: 3}
    assert +Counter(second.statuses) == {Status.OK: 32}
    assert endpoint.record.sent.keys() == pages
    assert second.reused == 29
    assert "the embedded text" not in (mill.out / "a.pdf/document.md").read_text()
    _assert_accounted_for(second)
