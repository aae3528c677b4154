from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.pages.model import Document
from pagemill.domain.pages.sharding import Piece, ShardPlan, Work, read_plan, split


def _work(key: str, pages: int, done: int = 0) -> Work:
    return Work(Document(key, f"v-{key}", 1), pages, tuple(range(1, pages + 1)), frozenset(range(1, done + 1)))


_works = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=12).map(
    lambda sizes: [_work(f"{index}.pdf", pages, min(done, pages)) for index, (pages, done) in enumerate(sizes)]
)


def _assigned(shards: tuple[tuple[Piece, ...], ...]) -> Counter[tuple[str, int]]:
    return Counter((piece.document.key, number) for shard in shards for piece in shard for number in piece.numbers)


@given(_works, st.integers(1, 9))
def test_every_page_that_is_left_is_in_exactly_one_shard(works: list[Work], shards: int) -> None:
    assigned = _assigned(split(works, shards=shards))

    assert set(assigned.values()) <= {1}
    assert {(work.document.key, number) for work in works for number in work.left} <= set(assigned)
    assert {key for key, _ in assigned} == {work.document.key for work in works}


@given(_works, st.integers(1, 9))
def test_a_document_that_is_not_divided_is_in_its_shard_with_all_that_is_wanted_of_it(
    works: list[Work], shards: int
) -> None:
    wanted = {work.document.key: work.selected for work in works}

    for shard in split(works, shards=shards):
        assert [piece.numbers for piece in shard if piece.whole] == [
            wanted[piece.document.key] for piece in shard if piece.whole
        ]


@given(_works, st.integers(1, 9))
def test_no_shard_has_more_than_its_share_and_one_piece(works: list[Work], shards: int) -> None:
    left = {(work.document.key, number) for work in works for number in work.left}
    idle = sum(not work.left for work in works)
    share = -(-len(left) // shards) or 1

    for shard in split(works, shards=shards):
        pages = sum((piece.document.key, number) in left for piece in shard for number in piece.numbers)
        assert pages <= 2 * share + idle


@given(_works, st.integers(1, 9))
def test_there_are_no_more_shards_than_asked_for_and_none_without_work(works: list[Work], shards: int) -> None:
    divided = split(works, shards=shards)

    assert len(divided) <= shards
    assert all(divided)


@given(st.randoms(use_true_random=False), _works, st.integers(1, 9))
def test_the_division_does_not_depend_on_the_order_of_the_documents(
    shuffle: Random, works: list[Work], shards: int
) -> None:
    shuffled = list(works)
    shuffle.shuffle(shuffled)

    assert split(shuffled, shards=shards) == split(works, shards=shards)


def test_a_document_longer_than_a_share_is_cut_into_ranges_of_equal_length() -> None:
    divided = split([_work("long.pdf", 90), _work("short.pdf", 30)], shards=4)

    assert sorted((p.document.key, p.numbers[0], p.numbers[-1], p.whole) for shard in divided for p in shard) == [
        ("long.pdf", 1, 30, False),
        ("long.pdf", 31, 60, False),
        ("long.pdf", 61, 90, False),
        ("short.pdf", 1, 30, True),
    ]


def test_pages_with_a_result_weigh_nothing() -> None:
    divided = split([_work("nearly.pdf", 100, done=90), _work("new.pdf", 10)], shards=2)

    assert [[(piece.document.key, piece.whole) for piece in shard] for shard in divided] == [
        [("nearly.pdf", True)],
        [("new.pdf", True)],
    ]


def test_nothing_to_do_needs_no_shard() -> None:
    assert split([], shards=4) == ()


@given(_works)
def test_a_plan_that_was_written_is_read_back(works: list[Work]) -> None:
    pieces = {work.document.key: Piece(work.document, work.selected, whole=len(work.done) > 3) for work in works}
    plan = ShardPlan("0123456789ab", pieces)

    assert read_plan("".join(plan.to_json()).encode()) == plan


def test_a_plan_keeps_where_a_document_is_even_if_its_name_is_no_unicode() -> None:
    document = Document("größe\\xff\n.pdf", "v", 1, location="gr\udcff")
    plan = ShardPlan("id", {document.key: Piece(document, (), whole=True)})

    (read,) = read_plan("".join(plan.to_json()).encode()).pieces.values()
    assert (read.document.key, read.document.location) == (document.key, "gr\udcff")


def test_a_plan_of_another_version_is_refused() -> None:
    body = json.loads("".join(ShardPlan("id", {}).to_json())) | {"schema": 2}

    with pytest.raises(ValueError, match="schema 2"):
        read_plan(json.dumps(body).encode())
