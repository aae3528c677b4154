from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagemill.batch.chunks import BatchLimits, PageChunk
from pagemill.domain.pages.model import Recipe, Status
from pagemill.errors import EndpointNeverAnswered, StoreUnusable
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import HANG, MODEL, RESET, Answer, FakeEndpoint, Request, failing, image_name

_ANSWERS = {
    "ok": None,
    "empty": Answer(text="  "),
    "cut off": Answer(text="half a", finish_reason="length"),
    "rejected": failing(400, "cannot identify image"),
    "failing": failing(500),
    "resetting": RESET,
    "malformed": Answer(kind="raw", text="{"),
}


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


def _results(mill: Mill, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (mill.out / name / "pages.jsonl").read_text().splitlines()]


async def test_every_document_gets_its_pages_in_order_its_jsonl_and_its_manifest(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    mill.add("sub/b.pdf", "1")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.pages == 4 == summary.statuses[Status.OK]
    assert summary.complete
    markdown = (mill.out / "a.pdf/document.md").read_text()
    assert [line for line in markdown.splitlines() if "<!--" in line] == [f"<!-- page {n} -->" for n in (1, 2, 3)]
    assert [result["number"] for result in _results(mill, "a.pdf")] == [1, 2, 3]
    manifest = _read(mill.out / "sub/b.pdf/manifest.json")
    assert manifest["pages"] == manifest["statuses"]["ok"] == 1
    assert manifest["document"]["key"] == "sub/b.pdf"
    assert _read(mill.out / "_runs/test-run/summary.json")["pages"] == 4


async def test_blank_pages_and_text_layers_are_results_that_were_never_sent(mill: Mill) -> None:
    mill.add("a.pdf", "3 blank=2 text=3")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert endpoint.record.requests == summary.requests == 1
    assert +Counter(summary.statuses) == {Status.OK: 1, Status.BLANK: 1, Status.TEXT_LAYER: 1}
    assert "<!-- page 2 -->\n\n<!-- blank -->" in (mill.out / "a.pdf/document.md").read_text()


@pytest.mark.parametrize("kind", [kind for kind in _ANSWERS if kind != "ok"])
async def test_a_page_that_the_endpoint_cannot_read_costs_only_itself_and_says_why(mill: Mill, kind: str) -> None:
    mill.add("a.pdf", "3")
    mill.add("b.pdf", "2")
    pictures = [b"a.pdf 2", b"a.pdf 2 x1.5", b"a.pdf 2 x2 piece 1", b"a.pdf 2 x2 piece 2"]
    bad = {image_name(picture) for picture in pictures}

    def answer(request: Request) -> Answer | None:
        return _ANSWERS[kind] if request.image in bad else None

    async with FakeEndpoint(answer) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 4, Status.FAILED: 1}
    assert summary.pages == 5
    assert not summary.complete
    (failure,) = _read(mill.out / "a.pdf/manifest.json")["failures"]
    assert failure["page"] == 2
    assert failure["reason"]
    assert "<!-- page 2 -->\n\n<!-- failed: " in (mill.out / "a.pdf/document.md").read_text()
    assert len(_results(mill, "a.pdf")) == 3


@pytest.mark.parametrize(
    "message",
    [
        "x ---> <script>alert(1)</script>",
        "--!> <!-- page 3 -->",
        "\\n<!-- page 3 -->\\n",
        "bad token \\ud800 in image",
        "\\u0000\\u001b[31m--\\u200b>",
    ],
)
async def test_no_message_of_an_endpoint_ends_its_comment_or_looks_like_a_page(mill: Mill, message: str) -> None:
    mill.add("a.pdf", "2")
    said = Answer(kind="status", status=400, text=f'{{"error": {{"message": "{message}"}}}}')
    bad = image_name(b"a.pdf 2")

    async with FakeEndpoint(lambda request: said if request.image == bad else None) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 1, Status.FAILED: 1}
    markdown = (mill.out / "a.pdf/document.md").read_text()
    assert [line for line in markdown.splitlines() if "<!--" in line][:2] == ["<!-- page 1 -->", "<!-- page 2 -->"]
    assert markdown.count("<!--") == markdown.count("-->") == 3
    assert markdown.endswith(" -->\n\n")
    assert "refuses the page: 400" in summary.outcomes[0].failures[2]
    assert _read(mill.out / "_runs/test-run/summary.json")["failed"] == 1


@pytest.mark.parametrize("text", ["real text\n\n<!-- page 2 -->\n\nnot page two", "<!-- blank -->", "<!-- open"])
async def test_no_text_of_a_page_looks_like_a_page_and_beside_the_markdown_it_is_verbatim(
    mill: Mill, text: str
) -> None:
    mill.add("a.pdf", "2")

    async with FakeEndpoint(lambda _: Answer(text=text)) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.complete
    markdown = (mill.out / "a.pdf/document.md").read_text()
    pages = [f"<!-- page {number} -->\n\n{text.replace('<!--', '&lt;!--')}\n\n" for number in (1, 2)]
    assert markdown == "".join(pages)
    assert [result["markdown"] for result in _results(mill, "a.pdf")] == [text, text]


async def test_control_characters_of_an_answer_are_not_in_the_results(mill: Mill) -> None:
    mill.add("a.pdf", "1")

    async with FakeEndpoint(lambda _: Answer(text="nul \x00 and \x1b[31mred")) as endpoint:
        await mill.run(endpoint)

    assert [result["markdown"] for result in _results(mill, "a.pdf")] == ["nul  and [31mred"]


async def test_an_answer_with_a_lone_surrogate_is_no_answer(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    body = json.dumps({"choices": [{"finish_reason": "stop", "message": {"content": "a \ud800"}}]})
    bad = image_name(b"a.pdf 2")

    async with FakeEndpoint(
        lambda request: Answer(kind="raw", text=body) if request.image == bad else None
    ) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 1, Status.FAILED: 1}
    assert "no chat completion" in summary.outcomes[0].failures[2]


async def test_a_cut_off_page_is_asked_again_with_all_that_the_context_leaves(mill: Mill) -> None:
    mill.add("a.pdf", "1")

    def answer(request: Request) -> Answer | None:
        return Answer(text="cut", finish_reason="length") if request.nth_of_image == 1 else None

    async with FakeEndpoint(answer) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 1
    assert [body["max_tokens"] for body in endpoint.record.bodies] == [4096, 8192 - 2145]
    (result,) = _results(mill, "a.pdf")
    assert result["attempts"] == 2
    assert result["objections"] == ["cut off: finish_reason is 'length'"]


async def test_a_page_that_cannot_be_rendered_costs_only_itself(mill: Mill) -> None:
    mill.add("a.pdf", "3 broken=2")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 2, Status.FAILED: 1}
    assert _read(mill.out / "a.pdf/manifest.json")["failures"] == [{"page": 2, "reason": "the page is damaged"}]


async def test_a_page_is_rendered_once_however_often_it_is_sent(mill: Mill) -> None:
    mill.add("a.pdf", "2")

    async with FakeEndpoint(lambda request: failing(503) if request.nth_of_image < 4 else None) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 2
    assert endpoint.record.requests == summary.requests == 8
    assert set(mill.rasterizer.rendered.values()) == {1}


async def test_a_document_that_does_not_open_costs_only_itself_and_is_named_with_its_reason(mill: Mill) -> None:
    mill.add("a.pdf", "rubbish")
    mill.add("b.pdf", "1")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert (summary.documents, summary.pages, summary.complete) == (2, 1, False)
    assert _read(mill.out / "a.pdf/manifest.json")["error"] == "not a PDF"
    assert [outcome.error for outcome in summary.outcomes] == ["not a PDF", ""]


async def test_a_file_whose_name_is_no_utf8_is_read_like_any_other(mill: Mill) -> None:
    (mill.source / os.fsdecode(b"gr\xf6\xdfe.pdf")).write_text("2")
    mill.add("b.pdf", "1")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.complete
    assert [(outcome.key, outcome.pages) for outcome in summary.outcomes] == [("b.pdf", 1), ("gr\\xf6\\xdfe.pdf", 2)]
    assert (mill.out / "gr%5Cxf6%5Cxdfe.pdf/manifest.json").exists()


async def test_an_unforeseen_error_costs_its_document_and_no_other(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    mill.add("b.pdf", "2")

    async with FakeEndpoint() as endpoint, mill.batch(endpoint.url) as batch:

        async def perform(chunk: PageChunk) -> None:
            if chunk.document.key == "a.pdf":
                raise ZeroDivisionError("division by zero")
            await batch.read(chunk)

        summary = await batch.run("run", perform)

    assert [outcome.failed for outcome in summary.outcomes] == [True, False]
    assert "please report" in summary.outcomes[0].error


async def test_a_second_run_sends_and_renders_nothing(mill: Mill) -> None:
    mill.add("a.pdf", "3 blank=2")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)
        rendered = mill.rasterizer.rendered.total()
        before = (mill.out / "a.pdf/manifest.json").read_bytes()

        summary = await mill.run(endpoint)

    assert (summary.requests, summary.pages, summary.reused) == (0, 3, 3)
    assert mill.rasterizer.rendered.total() == rendered
    assert endpoint.record.paths["/health"] == 1
    assert (mill.out / "a.pdf/manifest.json").read_bytes() == before


async def test_new_bytes_and_a_new_recipe_are_read_again_and_failed_pages_alone(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    mill.add("b.pdf", "3")
    broken = {"once": True}

    def answer(request: Request) -> Answer | None:
        return failing(400) if broken["once"] and request.index == 1 else None

    async with FakeEndpoint(answer) as endpoint:
        first = await mill.run(endpoint)
        broken["once"] = False
        retried = await mill.run(endpoint)
        mill.add("b.pdf", "3 ")
        replaced = await mill.run(endpoint)
        rerecipe = await mill.run(endpoint, recipe=Recipe(MODEL, max_tokens=9))

    assert first.statuses[Status.FAILED] == 1
    assert [run.requests for run in (first, retried, replaced, rerecipe)] == [5, 1, 3, 5]
    assert all(run.complete for run in (retried, replaced, rerecipe))


async def test_a_selection_of_pages_is_read_and_later_ones_are_added_to_it(mill: Mill) -> None:
    mill.add("a.pdf", "5")

    async with FakeEndpoint() as endpoint:
        first = await mill.run(endpoint, pages="2-3")
        second = await mill.run(endpoint, pages="3-4")
        third = await mill.run(endpoint, pages="2,4")

    assert [(run.requests, run.pages, run.reused) for run in (first, second, third)] == [
        (2, 2, 0),
        (1, 2, 1),
        (0, 2, 2),
    ]
    assert [result["number"] for result in _results(mill, "a.pdf")] == [2, 3, 4]


async def test_pages_beyond_the_end_of_a_document_are_not_read(mill: Mill) -> None:
    mill.add("a.pdf", "2")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, pages="7-")

    assert (summary.documents, summary.pages, summary.complete) == (1, 0, True)


async def test_never_more_than_eight_pages_are_in_flight_over_all_documents(mill: Mill) -> None:
    for name in "abcdefghij":
        mill.add(f"{name}.pdf", "7")

    async with FakeEndpoint(first_wait_for=8) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 70
    assert endpoint.record.most_in_flight == 8


async def test_rendering_runs_ahead_of_sending_only_as_far_as_pages_and_bytes_allow(mill: Mill) -> None:
    mill.rasterizer = type(mill.rasterizer)(image_bytes=1000)
    mill.add("a.pdf", "60")
    drawn_at_request: list[int] = []

    def answer(request: Request) -> None:
        drawn_at_request.append(mill.rasterizer.rendered.total() - request.index)

    async with FakeEndpoint(answer, latency_seconds=0.005) as endpoint:
        await mill.run(endpoint, image_bytes=10_000)

    assert max(drawn_at_request) <= 10 + 4  # ten images fill the budget, four more may be at the workers


async def test_a_long_document_is_read_in_chunks_that_overlap(mill: Mill) -> None:
    mill.add("a.pdf", "50")
    mill.add("b.pdf", "3")
    chunks: list[str] = []

    async with FakeEndpoint() as endpoint, mill.batch(endpoint.url, limits=BatchLimits(chunk_pages=20)) as batch:

        async def perform(chunk: PageChunk) -> None:
            chunks.append(chunk.name)
            await batch.read(chunk)

        summary = await batch.run("run", perform)

    of_b = "b.pdf, pages 1-3"  # which of the two is open first is the machine's choice
    assert [name for name in chunks if name != of_b] == [
        "a.pdf, pages 1-20",
        "a.pdf, pages 21-40",
        "a.pdf, pages 41-50",
    ]
    assert chunks.count(of_b) == 1
    assert summary.statuses[Status.OK] == 53
    assert [result["number"] for result in _results(mill, "a.pdf")] == list(range(1, 51))


async def test_a_cancelled_run_keeps_what_it_finished_and_the_next_reads_only_the_rest(mill: Mill) -> None:
    mill.add("a.pdf", "40")
    enough = asyncio.Event()

    def answer(request: Request) -> Answer | None:
        if request.index >= 20:
            enough.set()
        return HANG if request.index >= 20 else None

    async with FakeEndpoint(answer) as endpoint:
        run = asyncio.create_task(mill.run(endpoint))
        await enough.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.complete
    assert 19 - 8 <= summary.reused <= 19
    assert summary.requests == 40 - summary.reused


async def test_an_endpoint_that_never_answers_stops_the_run_and_nothing_counts_as_failed(mill: Mill) -> None:
    mill.add("a.pdf", "30 blank=1")
    mill.add("b.pdf", "30")
    mill.url, mill.patience = "http://127.0.0.1:9", replace(mill.patience, wake_seconds=0.05)

    summary = await mill.run()

    assert isinstance(summary.stopped_by, EndpointNeverAnswered)
    assert not summary.statuses[Status.FAILED]
    assert not (mill.out / "a.pdf/manifest.json").exists()


async def test_a_destination_that_cannot_be_written_stops_the_run_before_any_page_is_sent(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    mill.out.write_text("a file in the way")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert isinstance(summary.stopped_by, StoreUnusable)
    assert "cannot be written" in str(summary.stopped_by)
    assert not endpoint.record.paths


async def test_a_source_without_documents_stops_the_run(mill: Mill) -> None:
    summary = await mill.run()

    assert isinstance(summary.stopped_by, StoreUnusable)


async def test_a_dry_run_counts_what_a_run_would_read_and_touches_nothing(mill: Mill) -> None:
    mill.add("a.pdf", "4")
    mill.add("b.pdf", "rubbish")
    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint, pages="1")
        before = sorted(path.name for path in mill.out.rglob("*"))
        async with mill.batch("http://127.0.0.1:9") as batch:
            survey = await batch.documents.survey()

    assert [(d.key, d.page_count, d.to_read, d.error) for d in survey] == [
        ("a.pdf", 4, 3, ""),
        ("b.pdf", 0, 0, "not a PDF"),
    ]
    assert sorted(path.name for path in mill.out.rglob("*")) == before


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.sets(st.integers(1, 6)), st.sets(st.integers(1, 6))), min_size=1, max_size=4
    ),
    st.lists(st.sampled_from(sorted(_ANSWERS)), min_size=1, max_size=12),
)
async def test_pages_in_are_the_sum_of_the_statuses_out_whatever_fails(
    tmp_path_factory: pytest.TempPathFactory, documents: list[tuple[int, set[int], set[int]]], faults: list[str]
) -> None:
    root = tmp_path_factory.mktemp("mill")
    (root / "in").mkdir()
    mill = Mill(root / "in", root / "out")
    for index, (pages, broken, blank) in enumerate(documents):
        words = [f"broken={n}" for n in broken] + [f"blank={n}" for n in blank]
        mill.add(f"{index}.pdf", " ".join([str(pages), *words]))

    schedule = [
        _ANSWERS[fault] for fault in [*faults, "ok"]
    ]  # one that reads nothing at all ends the run: another test
    async with FakeEndpoint(lambda request: schedule[request.index % len(schedule)]) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.stopped_by is None
    assert summary.pages == sum(pages for pages, _, _ in documents)
    for index, (pages, _, _) in enumerate(documents):
        assert [result["number"] for result in _results(mill, f"{index}.pdf")] == list(range(1, pages + 1))
        assert _read(mill.out / f"{index}.pdf/manifest.json")["pages"] == pages
