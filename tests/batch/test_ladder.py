"""The ladder: what is tried with a page whose answer is refused, in which order, and what is kept of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.judging.ladder import MOST_REQUESTS
from pagemill.domain.pages.model import Status
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import Answer, FakeEndpoint, Request, failing, image_name
from tests.fakes.witness import FakeWitness

_LOOP = Answer(text="It began so well. " + "and the rain " * 200)
_CUT_LOOP = Answer(text=_LOOP.text, finish_reason="length")
_CUT = Answer(text="A long text that", finish_reason="length")
_EMPTY = Answer(text="")
_HALVES = {image_name(f"a.pdf 2 x2 piece {piece}".encode()) for piece in (1, 2)}
_LARGER = {image_name(b"a.pdf 2 x1.5")}
_TURNED = {image_name(b"a.pdf 2 turned 90")}
_PAGE = {image_name(b"a.pdf 2")} | _HALVES | _LARGER | _TURNED


def _defective(answer: Answer, good: Callable[[Request], bool] = lambda _: False) -> Callable[[Request], Answer | None]:
    """Page 2 of `a.pdf` gets this answer, whatever its picture, unless the request is a good one."""
    return lambda request: answer if request.image in _PAGE and not good(request) else None


def _page_2(mill: Mill) -> dict[str, Any]:
    lines = (mill.out / "a.pdf/pages.jsonl").read_text().splitlines()
    found: dict[str, Any] = next(page for page in map(json.loads, lines) if page["number"] == 2)
    return found


def _refused(mill: Mill) -> dict[str, Any]:
    (path,) = mill.out.glob("a.pdf/pages/*/00002.refused.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _sampled_anew(request: Request) -> bool:
    return float(request.body["temperature"]) > 0.2


@pytest.mark.parametrize("answer", [_LOOP, _CUT_LOOP, _EMPTY], ids=["loop", "loop cut off", "empty"])
async def test_a_refused_page_is_asked_for_once_more_with_another_temperature(mill: Mill, answer: Answer) -> None:
    mill.add("a.pdf", "3")

    async with FakeEndpoint(_defective(answer, _sampled_anew)) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 3}
    assert endpoint.record.requests == summary.requests == 4
    (again,) = [body for body in endpoint.record.bodies if body["temperature"] > 0.2]
    assert again["repetition_detection"] == {"min_pattern_size": 8, "max_pattern_size": 64, "min_count": 12}
    assert not any("penalty" in name for body in endpoint.record.bodies for name in body)
    assert _page_2(mill)["attempts"] == 2
    assert _page_2(mill)["score"] == 1.0


async def test_a_plain_cut_off_gets_the_tokens_that_the_context_has_left_and_no_other_sampling(mill: Mill) -> None:
    mill.add("a.pdf", "3")

    async with FakeEndpoint(_defective(_CUT, lambda request: request.body["max_tokens"] > 4096)) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 3}
    assert [body["max_tokens"] for body in endpoint.record.bodies if body["max_tokens"] != 4096] == [8192 - 2145]
    assert {body["temperature"] for body in endpoint.record.bodies} == {0.2}


async def test_two_halves_that_are_read_are_joined_to_the_page(mill: Mill) -> None:
    mill.add("a.pdf", "3")

    texts = {
        image_name(b"a.pdf 2 x2 piece 1"): Answer(text="Of the first half one line. The line that both halves show."),
        image_name(b"a.pdf 2 x2 piece 2"): Answer(text="The line that both halves show. The end of the page."),
    }

    async with FakeEndpoint(lambda request: texts.get(request.image) or _defective(_LOOP)(request)) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 3}
    assert _page_2(mill)["attempts"] == 4
    assert _page_2(mill)["markdown"] == (
        "Of the first half one line. The line that both halves show. The end of the page."
    )
    assert [refusal["rung"] for refusal in _refused(mill)["refusals"]] == ["first", "temperature"]


async def test_an_empty_page_with_ink_is_shown_larger_and_its_halves_are_not_sent(mill: Mill) -> None:
    mill.add("a.pdf", "3")

    async with FakeEndpoint(_defective(_EMPTY, lambda request: request.image in _LARGER)) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 3}
    assert _page_2(mill)["attempts"] == 3
    assert not _HALVES & endpoint.record.sent.keys()


async def test_a_page_that_lies_on_its_side_is_turned_where_the_witness_says_so(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    mill.witness = FakeWitness(turned={image_name(b"a.pdf 2"): 90})

    async with FakeEndpoint(_defective(_LOOP, lambda request: request.image in _TURNED)) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 3}
    assert _page_2(mill)["attempts"] == 3


@pytest.mark.parametrize("answer", [_LOOP, _CUT, _EMPTY], ids=["loop", "cut off", "empty"])
async def test_the_last_step_is_the_pages_own_text_and_without_one_the_page_fails(mill: Mill, answer: Answer) -> None:
    mill.add("a.pdf", "3 layer=2:The_text_that_the_page_has_itself")
    mill.add("b.pdf", "1")
    alone = {image_name(name) for name in (b"b.pdf 1", b"b.pdf 1 x1.5", b"b.pdf 1 x2 piece 1", b"b.pdf 1 x2 piece 2")}

    def of_page(request: Request) -> Answer | None:
        return answer if request.image in _PAGE | alone else None

    async with FakeEndpoint(of_page) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 2, Status.FALLBACK: 1, Status.FAILED: 1}
    assert exit_code(summary) is ExitCode.FAILURES
    page = _page_2(mill)
    assert page["markdown"] == "The text that the page has itself"
    assert page["score"] is None
    assert page["attempts"] <= MOST_REQUESTS
    assert "<!-- fallback: the embedded text, not the model's -->" in (mill.out / "a.pdf/document.md").read_text()
    assert endpoint.record.sent[image_name(b"b.pdf 1")] == 2


async def test_the_refused_texts_are_kept_bounded_with_the_reasons(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    long = Answer(text="ä" * 100_000 + _LOOP.text)

    async with FakeEndpoint(_defective(long)) as endpoint:
        await mill.run(endpoint)

    kept = _refused(mill)
    assert kept["ended"]
    assert [refusal["signals"] for refusal in kept["refusals"]] == [["loop"]] * len(kept["refusals"])
    assert all(refusal["reason"] for refusal in kept["refusals"])
    texts = [refusal["text"] for refusal in kept["refusals"] if refusal["text"]]
    assert 1 <= len(texts) <= 3
    assert all(len(text.encode()) <= 2**16 for text in texts)


async def test_a_page_that_failed_at_every_step_is_not_paid_for_again_unless_retry_says_so(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    async with FakeEndpoint(_defective(_LOOP)) as endpoint:
        first = await mill.run(endpoint)
    before = (mill.out / "a.pdf/pages.jsonl").read_text().splitlines()

    async with FakeEndpoint(_defective(_LOOP)) as endpoint:
        again = await mill.run(endpoint)
        unasked = endpoint.record.requests
        retried = await mill.run(endpoint, retry="failed")

    assert first.statuses[Status.FAILED] == again.statuses[Status.FAILED] == retried.statuses[Status.FAILED] == 1
    assert unasked == 0
    assert "--retry failed tries again" in again.outcomes[0].failures[2]
    assert endpoint.record.requests == retried.requests == first.requests - 2
    assert len(before) == len((mill.out / "a.pdf/pages.jsonl").read_text().splitlines()) == 3


async def test_a_cut_off_page_is_tried_again_where_the_context_has_grown(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    async with FakeEndpoint(_defective(_CUT)) as endpoint:
        await mill.run(endpoint)
    mill.context_tokens = 16384

    async with FakeEndpoint(_defective(_CUT, lambda request: request.body["max_tokens"] > 8192)) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 3}


async def test_a_page_that_the_endpoint_failed_on_is_tried_again_by_the_same_command(mill: Mill) -> None:
    mill.add("a.pdf", "3 layer=2:its_own_text")
    async with FakeEndpoint(_defective(failing(400))) as endpoint:
        first = await mill.run(endpoint)

    async with FakeEndpoint() as endpoint:
        again = await mill.run(endpoint)

    assert first.statuses[Status.FAILED] == 1
    assert +Counter(again.statuses) == {Status.OK: 3}
    assert endpoint.record.requests == 1


async def test_text_on_a_page_that_the_witness_finds_empty_is_refused_and_the_page_is_blank(mill: Mill) -> None:
    mill.add("a.pdf", "3 ink=2:0.0005 ink=3:0.0005")
    mill.witness = FakeWitness(regions={image_name(b"a.pdf 2"): 0, image_name(b"a.pdf 3"): 1})

    async with FakeEndpoint(
        _defective(Answer(text="Chapter one. A whole page of text that is not there."))
    ) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 2, Status.BLANK: 1}
    assert endpoint.record.requests == 3
    page = _page_2(mill)
    assert page["findings"][0]["signal"] == "invented"
    assert page["markdown"] == ""
    assert _refused(mill)["refusals"][0]["text"].startswith("Chapter one.")
    assert not _refused(mill)["ended"]


async def test_the_witness_is_asked_only_about_pages_with_little_ink_or_invented_text(mill: Mill) -> None:
    mill.add("a.pdf", "3 ink=1:0.05 ink=2:0.05 ink=3:0.0005")
    mill.witness = witness = FakeWitness()

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 3
    assert witness.asked == {image_name(b"a.pdf 3"): 1}


async def test_a_witness_that_does_not_know_costs_nothing_but_its_signal(mill: Mill) -> None:
    mill.add("a.pdf", "3 ink=2:0.0005")
    mill.witness = FakeWitness(regions={image_name(b"a.pdf 2"): None})

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 3
    assert endpoint.record.requests == 3


@pytest.mark.parametrize("turned_is_right", [True, False])
async def test_a_suspect_is_turned_only_if_the_turned_reading_is_better(mill: Mill, turned_is_right: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    own, wrong = (
        " ".join(f"{word} {number}" for number in range(100, 130) for word in words)
        for words in (("bridge", "river"), ("prigde", "nevir"))
    )
    mill.add("a.pdf", f"3 layer=2:{own.replace(' ', '_')}")
    mill.witness = FakeWitness(turned={image_name(b"a.pdf 2"): 90})

    def of_page(request: Request) -> Answer | None:
        if request.image in _TURNED:
            return Answer(text=own if turned_is_right else wrong)
        return Answer(text=wrong) if request.image in _PAGE else None

    async with FakeEndpoint(of_page) as endpoint:
        summary = await mill.run(endpoint)

    page = _page_2(mill)
    assert summary.statuses[Status.OK] == 3
    assert endpoint.record.requests == 4
    assert page["attempts"] == 2
    assert (page["markdown"], page["score"] == 1.0) == ((own, True) if turned_is_right else (wrong, False))
    assert summary.suspects == (not turned_is_right)


async def test_an_upright_page_is_never_turned(mill: Mill) -> None:
    mill.add("a.pdf", "3")
    mill.witness = FakeWitness(turned={image_name(b"a.pdf 2"): 0})

    async with FakeEndpoint(_defective(_LOOP)) as endpoint:
        await mill.run(endpoint)

    assert not _TURNED & endpoint.record.sent.keys()


async def test_a_damaged_page_with_invented_text_is_not_called_blank(mill: Mill) -> None:
    mill.add("a.pdf", "3 ink=2:0.0005 damage=2:a_font_is_missing")
    mill.witness = FakeWitness(regions={image_name(b"a.pdf 2"): 0})
    invented = Answer(text="Chapter one. A whole page of text that is not there.")

    async with FakeEndpoint(_defective(invented)) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 2, Status.FAILED: 1}


async def test_where_model_and_witness_find_nothing_the_page_is_blank_and_nothing_else_is_tried(mill: Mill) -> None:
    mill.add("a.pdf", "3 ink=2:0.02 ink=3:0.02")
    mill.witness = FakeWitness(regions={image_name(b"a.pdf 2"): 0, image_name(b"a.pdf 3"): 1})

    async with FakeEndpoint(lambda request: None if request.image == image_name(b"a.pdf 1") else _EMPTY) as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 1, Status.BLANK: 1, Status.FAILED: 1}
    assert _page_2(mill)["attempts"] == 1
    assert "by the witness a fake" in _page_2(mill)["objections"][-1]
