"""Which pages count as neighbours: those whose requests overlap, each once, and none with the same image."""

from __future__ import annotations

from pagemill.batch.neighbours import Neighbours


async def test_a_request_sees_the_texts_of_those_that_end_before_it_and_its_watch_those_that_end_after() -> None:
    neighbours = Neighbours()

    with neighbours.visit("early", b"0") as early:
        early.text = "ended before the page was sent"
    with neighbours.visit("late", b"1") as late:
        with neighbours.visit("page", b"2") as page:
            with neighbours.visit("short", b"3") as short:
                short.text = "a short page"
            page.text = "the page"
        watch = neighbours.watch(page)
        late.text = "a long page"
    await watch.ended()

    assert page.texts == {"short": "a short page"}
    assert watch.texts == {"late": "a long page"}
    assert late.texts == {"short": "a short page", "page": "the page"}


async def test_a_page_that_is_asked_for_twice_is_one_neighbour_and_a_copy_of_the_page_is_none() -> None:
    neighbours = Neighbours()

    with neighbours.visit("page", b"1") as page:
        for text in ("refused", "accepted"):
            with neighbours.visit("other", b"2") as other:
                other.text = text
        with neighbours.visit("copy", b"1") as copy:
            copy.text = "the same text"

    assert page.texts == {"other": "accepted"}


async def test_a_request_that_gets_no_answer_keeps_nobody_waiting() -> None:
    neighbours = Neighbours()

    with neighbours.visit("other", b"1"):
        with neighbours.visit("page", b"2") as page:
            page.text = "the page"
        watch = neighbours.watch(page)
    await watch.ended()

    assert watch.texts == {}
