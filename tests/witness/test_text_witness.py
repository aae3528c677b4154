"""A witness that crashes, hangs, is too busy or finds everything costs its answer, and nothing else."""

from __future__ import annotations

import asyncio
import logging

import psutil
import pytest

from pagemill.witness.text_witness import TextWitness

pytestmark = pytest.mark.usefixtures("importable_tests")


def _witness(*, look_seconds: float = 60.0, wait_seconds: float = 120.0) -> TextWitness:
    module = "tests.fakes.faulty_witness_worker"
    return TextWitness(workers=1, look_seconds=look_seconds, wait_seconds=wait_seconds, worker_module=module)


def _processes() -> set[int]:
    return {child.pid for child in psutil.Process().children() if "witness_worker" in " ".join(child.cmdline())}


async def test_no_process_starts_before_the_witness_is_asked_and_none_is_left_behind() -> None:
    async with _witness() as witness:
        assert not _processes()
        assert await witness.regions(b"four") == 4
        assert await witness.turned(b"four") == 90
        assert len(_processes()) == 1
    assert not _processes()


@pytest.mark.parametrize("fault", [b"killed", b"everything", b"nonsense", b"rejected", b"bug"])
async def test_an_image_that_breaks_the_witness_costs_only_its_own_answer(fault: bytes) -> None:
    async with _witness() as witness:
        assert await witness.regions(fault) is None
        assert await witness.regions(b"next") == 4


async def test_a_witness_that_hangs_is_stopped_and_the_next_image_is_looked_at() -> None:
    async with _witness(look_seconds=0.5) as witness:
        assert await witness.regions(b"hangs") is None
        assert await witness.regions(b"next") == 4


async def test_a_page_that_waits_too_long_for_its_turn_goes_on_without_an_answer() -> None:
    async with _witness(wait_seconds=0.2) as witness:
        answers = await asyncio.gather(witness.regions(b"hangs"), witness.regions(b"next"))

    assert list(answers) == [None, None]


async def test_a_witness_that_is_lost_three_times_in_a_row_is_not_asked_again_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with _witness() as witness:
        with caplog.at_level(logging.WARNING):
            lost = [await witness.regions(b"killed") for _ in range(3)]

        assert lost == [None] * 3
        assert await witness.regions(b"next") is None
        assert not _processes()
    assert "the witness is not asked any more" in caplog.text
    assert "SIGKILL" in caplog.text


async def test_images_that_break_it_among_others_do_not_end_it() -> None:
    async with _witness() as witness:
        for _ in range(3):
            assert await witness.regions(b"killed") is None
            assert await witness.regions(b"good") == 4


async def test_closing_it_ends_the_looks_that_wait() -> None:
    async with _witness() as witness:
        looks = [asyncio.ensure_future(witness.regions(b"hangs")) for _ in range(3)]
        await asyncio.sleep(0)  # each is handed to the pool

    assert await asyncio.gather(*looks) == [None] * 3
    assert await witness.regions(b"late") is None
