"""What a run reads back from the destination may be damaged, gone, or of something else: then it counts for nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagemill.batch.conclusion import conclude
from pagemill.batch.shards import plan, plan_of, report_of, write_plans
from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.sharding import split
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import EndpointNeverAnswered, UsageError
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill
from tests.fakes.memory_store import MemoryStore
from tests.fakes.ocr_endpoint import FakeEndpoint, failing, image_name


def _result(number: int, /, **fields: Any) -> bytes:
    return json.dumps(asdict(PageResult(number, Status.OK, "text")) | fields).encode()


_DAMAGED = {
    "empty": b"",
    "torn": _result(2)[:50],
    "zeros": bytes(200),
    "no JSON object": b"[]",
    "nested": b"[" * 100_000,
    "nested text": _result(2, markdown={"text": ["text"]}),
    "of another page": _result(3),
    "of no page": _result(0),
    "null text": _result(2, markdown=None),
    "missing fields": b'{"number": 2, "status": "ok", "markdown": "text", "objections": []}',
    "another field": _result(2, language="en"),
    "number as text": _result(2, number="2"),
    "NaN": _result(2, seconds=float("nan")),
    "negative": _result(2, attempts=-1),
    "huge": _result(2, prompt_tokens=10**300),
    "failed": _result(2, status="failed", markdown=""),
    "blank with a text": _result(2, status="blank"),
    "unknown status": _result(2, status="fine"),
    "objections": _result(2, objections="none"),
    "surrogate": _result(2, markdown="\ud800"),
    "not UTF-8": _result(2).replace(b"text", b"t\xffxt"),
    "UTF-16": _result(2).decode().encode("utf-16"),
}


def _checkpoint(mill: Mill, number: int, document: str = "a.pdf") -> Path:
    (path,) = (mill.out / document / "pages").rglob(f"{number:05}.json")
    return path


def _texts(mill: Mill, document: str = "a.pdf") -> tuple[str, list[Any], dict[str, Any]]:
    folder = mill.out / document
    results = [json.loads(line) | {"seconds": 0} for line in (folder / "pages.jsonl").read_text().splitlines()]
    return (folder / "document.md").read_text(), results, json.loads((folder / "manifest.json").read_text())


def _assert_accounted_for(summary: RunSummary) -> None:
    assert summary.pages == sum(summary.statuses.values()) == sum(outcome.pages for outcome in summary.outcomes)
    found: Counter[Status] = Counter()
    for outcome in summary.outcomes:
        found.update(outcome.statuses)
    assert +Counter(summary.statuses) == +found


@pytest.mark.parametrize("damage", _DAMAGED)
async def test_a_damaged_checkpoint_is_none_and_its_page_is_read_again_by_the_run_that_finds_it(
    mill: Mill, damage: str
) -> None:
    mill.add("a.pdf", "4 blank=4")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        wanted = _texts(mill)
        (mill.out / "a.pdf/manifest.json").unlink()
        _checkpoint(mill, 2).write_bytes(_DAMAGED[damage])
        summary = await mill.run(endpoint)
        last = await mill.run(endpoint)

    assert (summary.requests, summary.reused, summary.complete) == (1, 3, True)
    assert +Counter(summary.statuses) == {Status.OK: 3, Status.BLANK: 1}
    _assert_accounted_for(summary)
    assert _texts(mill)[:2] == wanted[:2]
    assert assembly.from_json(_checkpoint(mill, 2).read_bytes()).number == 2
    assert (last.requests, last.reused) == (0, 4)


async def test_a_damaged_checkpoint_is_read_again_together_with_the_pages_that_are_left(mill: Mill) -> None:
    mill.store = store = MemoryStore()
    mill.add("a.pdf", "3")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint, pages="1-2")
        (key,) = (key for key in store.keys("a.pdf/pages/") if key.endswith("00002.json"))
        store.write(key, b"{", content_type="application/json")
        summary = await mill.run(endpoint)

    assert (summary.requests, summary.reused, summary.complete) == (2, 1, True)


async def test_a_page_whose_damaged_checkpoint_cannot_be_read_again_is_failed_for_its_own_reason(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    refused = image_name(b"a.pdf 2")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        (mill.out / "a.pdf/manifest.json").unlink()
        _checkpoint(mill, 2).write_bytes(b"{")
    async with FakeEndpoint(lambda request: failing(400, "no") if request.image == refused else None) as endpoint:
        summary = await mill.run(endpoint)
    async with FakeEndpoint() as endpoint:
        again = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 2, Status.FAILED: 1}
    assert "refuses the page" in summary.outcomes[0].failures[2]
    _assert_accounted_for(summary)
    assert (again.requests, again.reused, again.complete) == (1, 2, True)


async def test_a_damaged_checkpoint_of_a_page_that_is_not_selected_is_not_published(mill: Mill) -> None:
    mill.add("a.pdf", "4")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint, pages="1-2")
        _checkpoint(mill, 2).write_bytes(_result(3))
        summary = await mill.run(endpoint, pages="3")
        results = _texts(mill)[1]
        last = await mill.run(endpoint)

    assert (summary.requests, summary.pages, summary.complete) == (1, 1, True)
    _assert_accounted_for(summary)
    assert [result["number"] for result in results] == [1, 3]
    assert (last.requests, last.reused, last.complete) == (2, 2, True)


async def test_a_checkpoint_beyond_the_documents_end_is_no_page_of_it(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        (mill.out / "a.pdf/manifest.json").unlink()
        for number in (0, 3, 99):
            _checkpoint(mill, 1).with_name(f"{number:05}.json").write_bytes(_result(number))
        summary = await mill.run(endpoint)

    assert (summary.requests, summary.pages) == (0, 2)
    assert [result["number"] for result in _texts(mill)[1]] == [1, 2]


async def test_a_checkpoint_that_is_gone_when_it_is_read_costs_one_more_request(mill: Mill) -> None:
    class Forgetful(LocalStore):
        """Lists an object that somebody deletes before it is read."""

        def read(self, key: str) -> Any:
            if key.endswith("00002.json") and forget:
                (mill.out / key).unlink()
                forget.clear()
            return super().read(key)

    forget = [True]
    mill.add("a.pdf", "3")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        (mill.out / "a.pdf/manifest.json").unlink()
        mill.store = Forgetful(mill.out)
        summary = await mill.run(endpoint)

    assert (summary.requests, summary.reused, summary.complete) == (1, 2, True)
    _assert_accounted_for(summary)


async def test_a_checkpoint_that_does_not_last_fails_its_page_and_the_run_ends(mill: Mill) -> None:
    class Rotten(LocalStore):
        """Damages one object whenever it is written."""

        def write(self, key: str, body: Any, **options: Any) -> None:
            super().write(key, b"{" if key.endswith("00002.json") else body, **options)

    mill.add("a.pdf", "3")
    mill.store = Rotten(mill.out)
    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)
        mill.store = LocalStore(mill.out)
        again = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 2, Status.FAILED: 1}
    assert "00002.json was damaged" in summary.outcomes[0].failures[2]
    assert "run again" in summary.outcomes[0].failures[2]
    _assert_accounted_for(summary)
    assert (again.requests, again.reused, again.complete) == (1, 2, True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(1, 6), st.sampled_from(sorted(_DAMAGED)) | st.none(), min_size=1),
    st.sampled_from(["", "1-3", "2-5"]),
)
async def test_pages_in_are_the_sum_of_the_statuses_out_whatever_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, damages: dict[int, str | None], pages: str
) -> None:
    root = tmp_path_factory.mktemp("mill")
    (root / "in").mkdir()
    mill = Mill(root / "in", root / "out")
    mill.add("a.pdf", "6 blank=3")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        wanted = _texts(mill)[:2]
        (mill.out / "a.pdf/manifest.json").unlink()
        for number, damage in damages.items():
            if damage is None:
                _checkpoint(mill, number).unlink()
            else:
                body = _DAMAGED[damage].replace(b'"number": 3', b'"number": 7')
                _checkpoint(mill, number).write_bytes(body.replace(b'"number": 2', b'"number": %d' % number))
        first = await mill.run(endpoint, pages=pages)
        last = await mill.run(endpoint)

    _assert_accounted_for(first)
    _assert_accounted_for(last)
    assert first.complete
    assert last.statuses[Status.OK] == 5
    assert _texts(mill)[:2] == wanted


def _remove(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize("name", ["document.md", "pages.jsonl"])
@pytest.mark.parametrize("damage", [_remove, _cut, _empty, _lengthen])
async def test_a_manifest_whose_text_is_gone_or_of_another_size_covers_nothing(
    mill: Mill, name: str, damage: Callable[[Path], None]
) -> None:
    mill.add("a.pdf", "3")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        wanted = _texts(mill)
        damage(mill.out / "a.pdf" / name)
        summary = await mill.run(endpoint)

    assert (summary.requests, summary.reused, summary.complete) == (0, 3, True)
    assert _texts(mill)[:2] == wanted[:2]
    assert _texts(mill)[2]["texts"] == wanted[2]["texts"]


async def test_the_manifest_of_an_earlier_version_without_sizes_is_still_read(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        path = mill.out / "a.pdf/manifest.json"
        body = json.loads(path.read_text())
        del body["texts"]
        path.write_text(json.dumps(body))
        summary = await mill.run(endpoint)
        kept = json.loads(path.read_text()) == body
        (mill.out / "a.pdf/pages.jsonl").unlink()
        again = await mill.run(endpoint)

    assert kept
    assert (summary.requests, summary.reused) == (again.requests, again.reused) == (0, 3)
    assert len(_texts(mill)[1]) == 3


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[" * 100_000, b'{"schema": 1}', b"\xff\xfe", bytes(50), b'{"schema": 1, "error": null}']
)
async def test_a_damaged_manifest_is_written_anew_from_the_checkpoints(mill: Mill, text: bytes) -> None:
    mill.add("a.pdf", "3")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        (mill.out / "a.pdf/manifest.json").write_bytes(text)
        summary = await mill.run(endpoint)

    assert (summary.requests, summary.reused, summary.complete) == (0, 3, True)
    assert _texts(mill)[2]["statuses"]["ok"] == 3


async def _shards(mill: Mill, endpoint: FakeEndpoint, damage: Callable[[], object]) -> RunSummary:
    """A document that two shards share; something is damaged before its run publishes it."""
    async with mill.batch(endpoint.url) as batch:
        pending = await plan(batch)
        divided = split(pending, shards=2)
        write_plans(batch, "a-run", divided)
        for number in range(1, len(divided) + 1):
            shard_plan = plan_of(LocalStore(mill.out), "a-run", number)
            async with mill.batch(endpoint.url, plan=shard_plan) as shard:
                await shard.run(keys.shard_id("a-run", number))
        damage()
        reports = [report_of(batch.publisher.destination, "a-run", number) for number in range(1, len(divided) + 1)]
        return await conclude(batch, "a-run", pending, divided, reports)


async def test_a_page_whose_checkpoint_is_damaged_when_its_run_publishes_what_the_shards_read_is_read_again(
    mill: Mill,
) -> None:
    mill.add("a.pdf", "6")
    async with FakeEndpoint() as endpoint:
        summary = await _shards(mill, endpoint, lambda: _checkpoint(mill, 5).write_bytes(_result(4)))
        again = await _shards(mill, endpoint, lambda: None)

    assert (summary.requests, summary.reused, summary.complete) == (7, 0, True)
    assert +Counter(summary.statuses) == {Status.OK: 6}
    _assert_accounted_for(summary)
    assert [result["number"] for result in _texts(mill)[1]] == [1, 2, 3, 4, 5, 6]
    assert (again.requests, again.reused, again.complete) == (0, 6, True)


async def test_checkpoints_of_an_earlier_run_that_no_shard_looks_at_are_read_again_if_they_are_damaged(
    mill: Mill,
) -> None:
    mill.add("a.pdf", "9")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint, pages="1-3")
        _checkpoint(mill, 1).write_bytes(b"")
        _checkpoint(mill, 3).write_bytes(b"{")
        summary = await _shards(mill, endpoint, lambda: None)

    assert (summary.requests, summary.reused, summary.complete) == (8, 1, True)
    _assert_accounted_for(summary)


async def test_a_page_whose_checkpoint_is_damaged_is_failed_if_the_document_is_gone_when_its_run_publishes_it(
    mill: Mill,
) -> None:
    def damage() -> None:
        _checkpoint(mill, 5).write_bytes(b"")
        (mill.source / "a.pdf").unlink()

    mill.add("a.pdf", "6")
    mill.add("b.pdf", "1")
    async with FakeEndpoint() as endpoint:
        summary = await _shards(mill, endpoint, damage)
        mill.add("a.pdf", "6")
        again = await _shards(mill, endpoint, lambda: None)

    assert +Counter(summary.statuses) == {Status.OK: 6, Status.FAILED: 1}
    assert "run again" in summary.outcomes[0].failures[5]
    _assert_accounted_for(summary)
    assert (again.requests, again.reused, again.complete) == (1, 6, True)


async def test_a_document_is_not_published_if_the_endpoint_is_gone_when_a_page_has_to_be_read_again(mill: Mill) -> None:
    mill.patience = replace(mill.patience, wake_seconds=0.1, silence_seconds=0.1)
    mill.add("a.pdf", "6")
    gone: list[bool] = []

    def damage() -> None:
        _checkpoint(mill, 5).write_bytes(b"")
        gone.append(True)

    async with FakeEndpoint(lambda _: failing(503) if gone else None) as endpoint:
        summary = await _shards(mill, endpoint, damage)

    assert isinstance(summary.stopped_by, EndpointNeverAnswered)
    assert not (mill.out / "a.pdf/manifest.json").exists()


async def test_a_shard_reads_the_pages_of_damaged_checkpoints_itself(mill: Mill) -> None:
    mill.add("a.pdf", "4")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        (mill.out / "a.pdf/manifest.json").unlink()
        _checkpoint(mill, 3).write_bytes(b"{}")
        summary = await _shards(mill, endpoint, lambda: None)

    assert (summary.requests, summary.complete, summary.statuses[Status.OK]) == (1, True, 4)
    _assert_accounted_for(summary)


_FAILED = {"document": "a.pdf", "number": 2, "result": assembly.to_json(PageResult(2, Status.FAILED))}


@pytest.mark.parametrize("text", [b"{", b"[" * 100_000, b"\xff", b"{}", bytes(10)])
@pytest.mark.parametrize("name", ["summary.json", "failed.jsonl"])
async def test_a_damaged_report_of_a_shard_is_named(mill: Mill, name: str, text: bytes) -> None:
    mill.add("a.pdf", "4")
    path = mill.out / "_runs/a-run/shards/001" / name
    async with FakeEndpoint() as endpoint:
        with pytest.raises(ValueError, match=rf"001/{name} is damaged: .+"):
            await _shards(mill, endpoint, lambda: path.write_bytes(text))


@pytest.mark.parametrize(
    "entry",
    [
        _FAILED | {"document": None},
        _FAILED | {"number": 3},
        _FAILED | {"number": "2"},
        _FAILED | {"result": None},
        _FAILED | {"result": "[" * 100_000},
        _FAILED | {"result": _result(2).decode()},  # a page that is ok has a checkpoint
    ],
    ids=lambda entry: json.dumps(entry)[-40:],
)
def test_a_damaged_list_of_failed_pages_is_named(tmp_path: Path, entry: dict[str, object]) -> None:
    store = LocalStore(tmp_path)
    shard_id = keys.shard_id("a-run", 1)
    store.write(keys.run_summary(shard_id), b"{}", content_type="application/json")
    store.write(keys.failures(shard_id), json.dumps(entry).encode(), content_type="application/jsonl")

    with pytest.raises(ValueError, match=r"failed\.jsonl is damaged: .+"):
        report_of(store, "a-run", 1)


async def test_the_summary_of_another_run_is_no_report(mill: Mill) -> None:
    mill.add("a.pdf", "4")

    def swap() -> None:
        folder = mill.out / "_runs/a-run/shards"
        (folder / "001/summary.json").write_bytes((folder / "002/summary.json").read_bytes())

    async with FakeEndpoint() as endpoint:
        with pytest.raises(ValueError, match=r"summary\.json is damaged: it is of run a-run/shards/002"):
            await _shards(mill, endpoint, swap)


@pytest.mark.parametrize("text", [b"[" * 100_000, b"\xff", b'{"schema": 2, "recipe": null, "slices": []}'])
def test_a_damaged_plan_is_named_with_what_to_do(tmp_path: Path, text: bytes) -> None:
    store = LocalStore(tmp_path)
    store.write(keys.shard_plan("a-run", 1), text, content_type="application/json")

    with pytest.raises(UsageError, match=r"001/plan\.json cannot be read: .+ run again"):
        plan_of(store, "a-run", 1)
