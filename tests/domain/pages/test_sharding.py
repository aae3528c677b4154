from __future__ import annotations

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.pages.model import Document
from pagemill.domain.pages.planning import PendingDocument
from pagemill.domain.pages.sharding import DocumentSlice, ShardPlan, read_plan, split


def _pending(key: str, pages: int, done: int = 0) -> PendingDocument:
    return PendingDocument(
        Document(key, f"v-{key}", 1), pages, tuple(range(1, pages + 1)), frozenset(range(1, done + 1))
    )


_SLICE = {"pages": "1-2", "whole": True, "key": "a.pdf", "version": "v", "size_bytes": 1, "location": "a.pdf"}

_documents = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=12).map(
    lambda sizes: [_pending(f"{index}.pdf", pages, min(done, pages)) for index, (pages, done) in enumerate(sizes)]
)


def _assigned(shards: tuple[tuple[DocumentSlice, ...], ...]) -> Counter[tuple[str, int]]:
    return Counter((part.document.key, number) for shard in shards for part in shard for number in part.numbers)


@given(_documents, st.integers(1, 9))
def test_every_page_that_is_left_is_in_exactly_one_shard(documents: list[PendingDocument], shards: int) -> None:
    assigned = _assigned(split(documents, shards=shards))

    assert set(assigned.values()) <= {1}
    assert {(pending.document.key, number) for pending in documents for number in pending.left} <= set(assigned)
    assert {key for key, _ in assigned} == {pending.document.key for pending in documents}


@given(_documents, st.integers(1, 9))
def test_a_document_that_is_not_divided_is_in_its_shard_with_all_selected_pages(
    documents: list[PendingDocument], shards: int
) -> None:
    wanted = {pending.document.key: pending.selected for pending in documents}

    for shard in split(documents, shards=shards):
        assert [part.numbers for part in shard if part.whole] == [
            wanted[part.document.key] for part in shard if part.whole
        ]


@given(_documents, st.integers(1, 9))
def test_no_shard_has_more_than_its_share_and_one_slice(documents: list[PendingDocument], shards: int) -> None:
    left = {(pending.document.key, number) for pending in documents for number in pending.left}
    idle = sum(not pending.left for pending in documents)
    share = -(-len(left) // shards) or 1

    for shard in split(documents, shards=shards):
        pages = sum((part.document.key, number) in left for part in shard for number in part.numbers)
        assert pages <= 2 * share + idle


@given(_documents, st.integers(1, 9))
def test_there_are_no_more_shards_than_asked_for_and_none_is_empty(
    documents: list[PendingDocument], shards: int
) -> None:
    divided = split(documents, shards=shards)

    assert len(divided) <= shards
    assert all(divided)


@given(st.randoms(use_true_random=False), _documents, st.integers(1, 9))
def test_the_division_does_not_depend_on_the_order_of_the_documents(
    shuffle: Random, documents: list[PendingDocument], shards: int
) -> None:
    shuffled = list(documents)
    shuffle.shuffle(shuffled)

    assert split(shuffled, shards=shards) == split(documents, shards=shards)


def test_a_document_longer_than_a_share_is_cut_into_ranges_of_equal_length() -> None:
    divided = split([_pending("long.pdf", 90), _pending("short.pdf", 30)], shards=4)

    assert sorted((p.document.key, p.numbers[0], p.numbers[-1], p.whole) for shard in divided for p in shard) == [
        ("long.pdf", 1, 30, False),
        ("long.pdf", 31, 60, False),
        ("long.pdf", 61, 90, False),
        ("short.pdf", 1, 30, True),
    ]


def test_pages_with_a_result_weigh_nothing() -> None:
    divided = split([_pending("nearly.pdf", 100, done=90), _pending("new.pdf", 10)], shards=2)

    assert [[(part.document.key, part.whole) for part in shard] for shard in divided] == [
        [("nearly.pdf", True)],
        [("new.pdf", True)],
    ]


def test_no_documents_need_no_shard() -> None:
    assert split([], shards=4) == ()


@given(_documents)
def test_a_plan_that_was_written_is_parsed_again(documents: list[PendingDocument]) -> None:
    slices = {
        pending.document.key: DocumentSlice(pending.document, pending.selected, whole=len(pending.done) > 3)
        for pending in documents
    }
    plan = ShardPlan("0123456789ab", slices)

    assert read_plan("".join(plan.to_json()).encode()) == plan


def test_a_plan_keeps_the_location_of_a_document_whose_name_is_not_unicode() -> None:
    document = Document("größe\\xff\n.pdf", "v", 1, location="gr\udcff")
    plan = ShardPlan("id", {document.key: DocumentSlice(document, (), whole=True)})

    (read,) = read_plan("".join(plan.to_json()).encode()).slices.values()
    assert (read.document.key, read.document.location) == (document.key, "gr\udcff")


@pytest.mark.parametrize("source", ["gs://bucket/gr\u00f6\u00dfe.pdf", "file:///in/%FF.pdf", ""])
def test_a_plan_keeps_the_source_of_a_document(source: str) -> None:
    plan = ShardPlan("id", {"a.pdf": DocumentSlice(Document("a.pdf", "v", 1, source=source), (1,), whole=True)})

    (read,) = read_plan("".join(plan.to_json()).encode()).slices.values()

    assert read.document.source == source


@pytest.mark.parametrize(
    "damage",
    [
        {"recipe": None},
        {"slices": None},
        {"slices": [[]]},
        {"slices": [{"key": "a.pdf"}]},
        {"slices": [_SLICE | {"pages": 7}]},
        {"slices": [_SLICE | {"pages": "3-1"}]},
        {"slices": [_SLICE | {"pages": "1-99999999999"}]},
        {"slices": [_SLICE | {"pages": "all"}]},
        {"slices": [_SLICE | {"whole": "yes"}]},
        {"slices": [_SLICE | {"size_bytes": -1}]},
        {"slices": [_SLICE | {"version": None}]},
        {"slices": [_SLICE | {"location": "\ud800"}]},  # no file has this name
        {"slices": [_SLICE | {"source": 7}]},
        {"slices": [_SLICE, _SLICE]},
    ],
    ids=json.dumps,
)
def test_a_plan_with_a_damaged_field_is_refused(damage: dict[str, object]) -> None:
    body = {"schema": 2, "recipe": "id", "slices": [_SLICE]}
    assert read_plan(json.dumps(body).encode()).slices["a.pdf"].numbers == (1, 2)

    with pytest.raises(ValueError, match=r".+"):
        read_plan(json.dumps(body | damage).encode())


@pytest.mark.parametrize("text", [b"[" * 100_000, b"", b"\xff", bytes(10), b"7"])
def test_a_text_that_is_no_json_object_is_no_plan(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_plan(text)


def test_a_plan_of_another_version_is_refused() -> None:
    body = json.loads("".join(ShardPlan("id", {}).to_json())) | {"schema": 1}

    with pytest.raises(ValueError, match="schema 1"):
        read_plan(json.dumps(body).encode())
