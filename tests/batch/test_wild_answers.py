"""A fuzz of what an endpoint answers: some of the seeds that `python -m benchmarks.answers` tries by the thousand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wild_runs import read_through

_GROUPS, _SEEDS = 8, 3


@pytest.mark.parametrize("group", range(_GROUPS))
async def test_whatever_an_endpoint_answers_the_run_ends_by_its_code_and_each_page_has_one_status(
    group: int, tmp_path: Path
) -> None:
    await read_through(range(group * _SEEDS, (group + 1) * _SEEDS), tmp_path)
