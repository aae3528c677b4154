from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from pagemill.batch.ahead import Ahead, Place


class _Open:
    """Opens documents one after the other, as tasks do, and notes which are open."""

    def __init__(self, *, most_bytes: int = 100, most_pages: int = 1000) -> None:
        self.ahead = Ahead(most_bytes=most_bytes, most_pages=most_pages)
        self.places: list[Place] = []
        self._stacks: list[AsyncExitStack] = []

    async def open(self, size_bytes: int, pages: int = 1) -> None:
        stack = AsyncExitStack()
        place = await stack.enter_async_context(self.ahead.place(size_bytes))
        self.ahead.wait_with(place, pages)
        self.places.append(place)
        self._stacks.append(stack)

    async def close(self, number: int) -> None:
        await self._stacks[number].aclose()
        await _settled()


async def _settled() -> None:
    """Let every task do what it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def _begun(opened: _Open, *sizes: int, pages: int = 1) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(opened.open(size, pages)) for size in sizes]
    await _settled()
    return tasks


async def test_documents_are_opened_as_long_as_there_is_room_for_their_bytes() -> None:
    opened = _Open(most_bytes=100)
    tasks = await _begun(opened, 40, 40, 40, 40)

    assert len(opened.places) == 2
    await opened.close(0)
    assert len(opened.places) == 3
    await opened.close(1)
    await asyncio.gather(*tasks)


async def test_many_small_documents_that_are_read_leave_no_room_for_more() -> None:
    opened = _Open(most_bytes=100)
    tasks = await _begun(opened, *[40] * 8)
    for number in range(8):
        for place in opened.places:
            opened.ahead.begin(place)
        await _settled()
        assert sum(place.size_bytes for place in opened.places[number:]) <= 100 + 2 * 40
        await opened.close(number)

    await asyncio.gather(*tasks)


async def test_documents_that_are_not_counted_yet_are_taken_for_average_ones() -> None:
    ahead, places = Ahead(most_bytes=100, most_pages=100), list[Place]()

    async def open_and_wait() -> None:
        async with ahead.place(0) as place:
            places.append(place)
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(open_and_wait()) for _ in range(40)]
    await _settled()
    guessed = len(places)
    for place in list(places):
        ahead.wait_with(place, 1)
    await _settled()

    assert guessed == 13  # of eight pages each, before any is counted
    assert guessed < len(places) <= 40
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_bytes_are_held_while_a_document_is_read_and_what_it_takes_in_fact_counts() -> None:
    opened = _Open(most_bytes=100)
    tasks = await _begun(opened, 90, 40, 40)

    opened.ahead.begin(opened.places[0])
    await _settled()
    assert len(opened.places) == 2  # the next document, although there is no room: nothing else waits
    opened.ahead.takes(opened.places[0], 20)
    await _settled()
    assert len(opened.places) == 3
    await asyncio.gather(*tasks)


async def test_a_document_larger_than_all_the_room_is_opened_when_no_other_waits() -> None:
    opened = _Open(most_bytes=100)
    tasks = await _begun(opened, 10, 500, 10)

    assert [place.size_bytes for place in opened.places] == [10]
    opened.ahead.begin(opened.places[0])
    await _settled()
    assert [place.size_bytes for place in opened.places] == [10, 500]
    opened.ahead.begin(opened.places[1])
    await asyncio.gather(*tasks)


async def test_documents_are_opened_as_long_as_few_pages_wait() -> None:
    opened = _Open(most_pages=12)
    tasks = await _begun(opened, *[0] * 5, pages=4)

    assert len(opened.places) == 3  # twelve pages
    opened.ahead.begin(opened.places[0])
    await _settled()
    assert len(opened.places) == 4
    for place in opened.places[1:3]:
        opened.ahead.begin(place)
    await asyncio.gather(*tasks)


async def test_a_document_that_is_given_up_while_it_waits_keeps_no_room() -> None:
    opened = _Open(most_bytes=100)
    first, second, third = await _begun(opened, 100, 100, 100)

    second.cancel()
    await asyncio.wait([second])
    await opened.close(0)
    await asyncio.gather(first, third)

    assert len(opened.places) == 2


@pytest.mark.parametrize("size_bytes", [0, 2])
async def test_documents_without_a_copy_are_bounded_by_their_pages_only(size_bytes: int) -> None:
    opened = _Open(most_bytes=1, most_pages=100)
    tasks = await _begun(opened, *[size_bytes] * 3)

    assert len(opened.places) == (3 if size_bytes == 0 else 1)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
