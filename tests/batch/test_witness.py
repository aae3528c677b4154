"""A page with hardly any ink is shown to the witness before it is sent. Only what it proves empty is blank."""

from __future__ import annotations

import json
from collections import Counter

from pagemill.domain.pages.model import Mode, Recipe, Status
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import MODEL, FakeEndpoint, image_name
from tests.fakes.witness import FakeWitness

_PAGE = image_name(b"a.pdf 2")
_LITTLE = "3 ink=1:0.05 inner=1:0.05 ink=2:0.0005 inner=2:0.0005"


async def test_a_page_that_the_witness_proves_empty_is_blank_and_not_sent_and_says_who_proved_it(mill: Mill) -> None:
    mill.add("a.pdf", _LITTLE)
    mill.witness = FakeWitness(regions={_PAGE: 0})

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert +Counter(summary.statuses) == {Status.OK: 2, Status.BLANK: 1}
    assert endpoint.record.requests == 2
    page = json.loads((mill.out / "a.pdf/pages.jsonl").read_text().splitlines()[1])
    assert page["status"] == "blank"
    assert page["attempts"] == 0
    assert page["objections"][0].startswith("blank by the witness a fake: no text and no stroke")


async def test_the_shadow_of_a_lid_around_a_blank_page_does_not_keep_it_from_the_witness(mill: Mill) -> None:
    mill.add("a.pdf", "3 ink=2:0.08 inner=2:0")
    mill.witness = FakeWitness(regions={_PAGE: 0})

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.BLANK] == 1


async def test_a_page_on_which_the_witness_finds_something_is_sent_and_not_shown_to_it_again(mill: Mill) -> None:
    mill.add("a.pdf", _LITTLE)
    mill.witness = witness = FakeWitness(regions={_PAGE: 1})

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 3
    assert witness.asked == {_PAGE: 1}


async def test_a_page_that_the_witness_cannot_judge_is_sent(mill: Mill) -> None:
    mill.add("a.pdf", _LITTLE)
    mill.witness = FakeWitness(regions={_PAGE: None})

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert summary.statuses[Status.OK] == 3


async def test_a_page_with_damage_is_sent_because_its_contents_may_be_what_is_missing(mill: Mill) -> None:
    mill.add("a.pdf", f"{_LITTLE} damage=2:a_font")
    mill.witness = FakeWitness(regions={_PAGE: 0})

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)

    assert endpoint.record.sent[_PAGE] > 0
    assert summary.statuses[Status.BLANK] == 0


async def test_where_every_page_is_wanted_no_page_is_held_back(mill: Mill) -> None:
    mill.add("a.pdf", _LITTLE)
    mill.witness = FakeWitness(regions={_PAGE: 0})

    async with FakeEndpoint() as endpoint:
        await mill.run(endpoint, recipe=Recipe(MODEL, mode=Mode.FORCE))

    assert endpoint.record.requests == 3
