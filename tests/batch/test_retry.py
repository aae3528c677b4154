"""`--retry`: results that are not good enough are read again, and stay until there is a better one."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.retrying import Retry, is_better, parse_retry
from pagemill.errors import UsageError
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint, Request, image_name

_LOOP = Answer(text="It began so well. " + "and the rain " * 200)


def _looping(*pages: bytes) -> Any:
    """These pages loop, whatever the picture and the sampling."""
    kinds = (b"", b" x1.5", b" x2 piece 1", b" x2 piece 2")
    images = {image_name(page + kind) for page in pages for kind in kinds}
    return lambda request: _LOOP if request.image in images else None


def _statuses(mill: Mill, name: str = "a.pdf") -> list[str]:
    return [json.loads(line)["status"] for line in (mill.out / name / "pages.jsonl").read_text().splitlines()]


def _manifest(mill: Mill, name: str = "a.pdf") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((mill.out / name / "manifest.json").read_text())
    return found


async def _with_fallbacks(mill: Mill) -> None:
    mill.add("a.pdf", "4 layer=2:the_own_text layer=4:another_text")
    mill.add("b.pdf", "2")
    async with FakeEndpoint(_looping(b"a.pdf 2", b"a.pdf 4")) as endpoint:
        await mill.run(endpoint)
    assert _statuses(mill) == ["ok", "fallback", "ok", "fallback"]


async def test_only_the_pages_of_that_kind_are_read_again_and_all_texts_are_published_anew(mill: Mill) -> None:
    await _with_fallbacks(mill)

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, retry="fallback")

    assert endpoint.record.sent.keys() == {image_name(b"a.pdf 2"), image_name(b"a.pdf 4")}
    assert +Counter(summary.statuses) == {Status.OK: 6}
    assert summary.reused == 4
    assert _statuses(mill) == ["ok"] * 4
    assert _manifest(mill)["page_numbers"]["ok"] == "1-4"
    assert "the embedded text" not in (mill.out / "a.pdf/document.md").read_text()


async def test_without_retry_the_same_command_does_no_work_for_fallbacks(mill: Mill) -> None:
    await _with_fallbacks(mill)

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert endpoint.record.requests == 0
    assert +Counter(summary.statuses) == {Status.OK: 4, Status.FALLBACK: 2}


async def test_a_page_that_is_read_again_in_vain_keeps_its_result(mill: Mill) -> None:
    await _with_fallbacks(mill)

    async with FakeEndpoint(_looping(b"a.pdf 2", b"a.pdf 4")) as endpoint:
        summary = await mill.run(endpoint, retry="fallback, failed")

    assert endpoint.record.requests == 8
    assert +Counter(summary.statuses) == {Status.OK: 4, Status.FALLBACK: 2}
    assert _statuses(mill) == ["ok", "fallback", "ok", "fallback"]


async def test_a_run_that_stops_in_between_keeps_all_results_and_the_next_one_reads_only_what_is_left(
    mill: Mill,
) -> None:
    await _with_fallbacks(mill)
    mill.patience = mill.patience.__class__(wake_seconds=0.2, silence_seconds=0.2, probe_seconds=0.01)
    gone = False

    def of_page(request: Request) -> Answer | None:
        nonlocal gone
        if request.image == image_name(b"a.pdf 4"):
            gone = True
            return Answer(kind="status", status=503, text="{}", at_once=True)
        return None

    async with FakeEndpoint(of_page, healthy=lambda: not gone) as endpoint:
        stopped = await mill.run(endpoint, retry="fallback")
    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, retry="fallback")

    assert stopped.stopped_by
    assert endpoint.record.sent == {image_name(b"a.pdf 4"): 1}
    assert +Counter(summary.statuses) == {Status.OK: 6}
    assert _statuses(mill) == ["ok"] * 4


def test_kinds_are_parsed_with_commas_and_others_are_refused_by_name() -> None:
    assert parse_retry("failed, suspect") == {Retry.FAILED, Retry.SUSPECT}
    assert parse_retry("") == frozenset()
    with pytest.raises(UsageError, match="'blank' in --retry 'blank' is no kind of result; write failed, fallback"):
        parse_retry("blank")


def _page(status: Status, score: float | None = None) -> PageResult:
    return PageResult(1, status, "" if status in {Status.BLANK, Status.FAILED} else "text", score=score)


@pytest.mark.parametrize(
    ("old", "new", "better"),
    [
        (_page(Status.FALLBACK), _page(Status.OK, 0.5), True),
        (_page(Status.FALLBACK), _page(Status.BLANK), True),
        (_page(Status.FALLBACK), _page(Status.FAILED), False),
        (_page(Status.OK, 0.5), _page(Status.OK, 0.9), True),
        (_page(Status.OK, 0.5), _page(Status.OK, 0.4), False),
        (_page(Status.OK, 0.5), _page(Status.FALLBACK), False),
        (_page(Status.OK, 0.5), _page(Status.FAILED), False),
    ],
)
def test_a_result_is_replaced_only_by_a_better_one(old: PageResult, new: PageResult, better: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    assert is_better(new, old) is better
