"""A page in pieces is one page: one slot, one result, one checkpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pagemill.domain.pages.model import STANDARD_PICTURE, PageResult, Picture, Rendering, Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import PagemillError
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import RESET, Answer, FakeEndpoint, Request, failing, image_name, text_of
from tests.fakes.rasterizer import FakeRasterizer

_PIECES = [f"a.pdf 2 piece {number}".encode() for number in (1, 2, 3)]
_EMPTY = Answer(text=" ")


def _answers(order: dict[int, list[Answer]]) -> Callable[[Request], Answer | None]:
    """Answer the first times that a piece is sent as ordered."""
    names = {image_name(_PIECES[piece - 1]): answers for piece, answers in order.items()}

    def answer(request: Request) -> Answer | None:
        ordered = names.get(request.image, [])
        return ordered[request.nth_of_image - 1] if request.nth_of_image <= len(ordered) else None

    return answer


async def _run(mill: Mill, order: dict[int, list[Answer]]) -> tuple[RunSummary, dict[str, object], FakeEndpoint]:
    """Read three pages, of which the second is in three pieces; return its result."""
    mill.add("a.pdf", "3 pieces=2:3")
    async with FakeEndpoint(_answers(order)) as endpoint:
        summary = await mill.run(endpoint)
    lines = (mill.out / "a.pdf" / "pages.jsonl").read_text().splitlines()
    return summary, json.loads(lines[1]), endpoint


async def test_the_texts_of_all_pieces_are_the_text_of_the_page(mill: Mill) -> None:
    summary, result, endpoint = await _run(mill, {})

    assert summary.statuses == {Status.OK: 3}
    assert summary.requests == 5
    assert result["markdown"] == "\n\n".join(text_of(image_name(piece)).strip() for piece in _PIECES)
    assert (result["status"], result["attempts"], result["objections"]) == ("ok", 3, [])
    assert result["prompt_tokens"] == 3 * 2145
    assert result["completion_tokens"] == 3 * len(text_of("0").split())
    assert result["dpi"] == 100.0
    assert len(list((mill.out / "a.pdf" / "pages").glob("*/*.json"))) == 3
    assert endpoint.record.requests == 5


async def test_a_page_in_pieces_takes_one_slot(mill: Mill) -> None:
    mill.add("a.pdf", "1 pieces=1:12")

    async with FakeEndpoint(latency_seconds=0.001) as endpoint:
        await mill.run(endpoint)

    assert endpoint.record.requests == 12
    assert endpoint.record.most_in_flight == 1


async def test_a_piece_with_a_defect_is_asked_for_once_more(mill: Mill) -> None:
    _, result, _ = await _run(mill, {2: [Answer(text="beginning", finish_reason="length")]})

    assert (result["status"], result["attempts"]) == ("ok", 4)
    assert result["objections"] == ["piece 2 of 3: cut off: finish_reason is 'length'"]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([Answer(text="x", finish_reason="length")] * 2, "piece 2 of 3: cut off: finish_reason is 'length'"),
        ([failing(422, "cannot identify image")], "piece 2 of 3: the endpoint refuses the page: 422"),
        ([RESET] * 9, "piece 2 of 3: the endpoint gave no answer"),
    ],
)
async def test_a_page_of_which_a_piece_cannot_be_read_is_failed_with_that_piece(
    mill: Mill, answers: list[Answer], reason: str
) -> None:
    summary, result, _ = await _run(mill, {2: answers})

    assert summary.statuses == {Status.OK: 2, Status.FAILED: 1}
    assert (result["status"], result["markdown"]) == ("failed", "")
    assert any(re.match(reason, str(said)) for said in result["objections"])  # type: ignore[attr-defined]


async def test_pieces_that_were_read_are_not_sent_again_when_the_endpoint_fails(mill: Mill) -> None:
    summary, result, endpoint = await _run(mill, {2: [failing(503), failing(503)]})

    assert summary.complete
    assert endpoint.record.sent[image_name(_PIECES[0])] == 1
    assert endpoint.record.sent[image_name(_PIECES[1])] == 3
    assert (result["attempts"], result["objections"]) == (5, [])


async def test_a_piece_of_lines_without_text_is_no_failure_but_the_page_says_so(mill: Mill) -> None:
    _, result, _ = await _run(mill, {3: [_EMPTY, _EMPTY]})

    assert result["status"] == "ok"
    assert result["objections"] == ["piece 3 of 3: empty although the page has ink"] * 2
    assert result["markdown"] == "\n\n".join(text_of(image_name(piece)).strip() for piece in _PIECES[:2])


async def test_a_piece_that_is_known_to_hold_text_and_comes_back_empty_is_a_failure(mill: Mill) -> None:
    _, result, _ = await _run(mill, {1: [_EMPTY, _EMPTY]})

    assert result["status"] == "failed"
    assert result["objections"] == ["piece 1 of 3: empty although the page has ink"] * 2


async def test_a_page_whose_pieces_are_all_empty_is_failed(mill: Mill) -> None:
    class Drawing(FakeRasterizer):
        async def render(self, path: Path, number: int, picture: Picture = STANDARD_PICTURE) -> Rendering:
            rendered = await super().render(path, number, picture)
            return Rendering(number, 10, 10, None, pieces=rendered.pieces[1:])

    mill.rasterizer = Drawing()
    mill.add("a.pdf", "1 pieces=1:3")

    async with FakeEndpoint(lambda _: _EMPTY) as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses == {Status.FAILED: 1}


async def test_a_stop_in_mid_page_keeps_nothing_of_it_and_the_next_run_reads_it(mill: Mill) -> None:
    mill.add("a.pdf", "1 pieces=1:3")
    async with FakeEndpoint() as endpoint, mill.batch(endpoint.url) as batch:

        def stop(request: Request) -> Answer | None:
            if request.index == 2:
                batch.stop.now(PagemillError("enough"))
            return None

        endpoint._answer = stop  # noqa: SLF001 -- the batch is needed to stop it
        summary = await batch.run("test-run")
        assert summary.stopped_by
        assert endpoint.record.requests == 2

    assert not list(mill.out.glob("a.pdf/pages/*/*.json"))
    async with FakeEndpoint() as endpoint:
        assert (await mill.run(endpoint)).statuses == {Status.OK: 1}
        assert endpoint.record.requests == 3


async def test_images_in_memory_are_counted_with_all_pieces(mill: Mill) -> None:
    mill.rasterizer = FakeRasterizer(image_bytes=1000)
    mill.add("a.pdf", "40 " + " ".join(f"pieces={page}:10" for page in range(1, 41)))
    rendered: list[int] = []

    def healthy() -> bool:
        rendered.append(mill.rasterizer.rendered.total())
        return len(rendered) > 20

    async with FakeEndpoint(healthy=healthy) as endpoint:
        await mill.run(endpoint, image_bytes=50_000)

    assert 5 <= max(rendered) <= 9  # five pages fill the budget, and up to four are being rendered


async def test_findings_of_rendering_and_the_resolution_are_in_every_result(mill: Mill) -> None:
    class Finding(FakeRasterizer):
        async def render(self, _: Path, number: int, __: Picture = STANDARD_PICTURE) -> Rendering:
            png = b"image" if number == 1 else None
            return Rendering(number, 10, 10, png, blank=number == 2, dpi=177.5, objections=("cut through ink",))

    mill.rasterizer = Finding()
    mill.add("a.pdf", "2")

    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint)

    results = [json.loads(line) for line in (mill.out / "a.pdf" / "pages.jsonl").read_text().splitlines()]
    assert [result["status"] for result in results] == ["ok", "blank"]
    assert [result["objections"] for result in results] == [["cut through ink"]] * 2
    assert [result["dpi"] for result in results] == [177.5] * 2


def test_the_result_of_a_page_without_an_image_has_no_resolution() -> None:
    assert PageResult(1, Status.FAILED).dpi is None
