from __future__ import annotations

import datetime as dt

import pytest

from pagemill.domain.pages.retrying import Retry
from pagemill.errors import UsageError
from pagemill.wiring.parameters import checked_parameters


def test_a_share_bounds_the_pages_in_flight_of_a_run() -> None:
    assert checked_parameters(source="in", destination="out").in_flight == 8
    assert checked_parameters(source="in", destination="out", share=2).in_flight == 2
    assert checked_parameters(source="in", destination="out", share=9).in_flight == 8


@pytest.mark.parametrize(("share", "shards"), [(2, 1), (2, 4), (5, 3), (8, 8), (64, 3)])
def test_the_shards_of_a_run_have_its_share_together(share: int, shards: int) -> None:
    parameters = checked_parameters(source="in", destination="out", share=share, shards=shards, max_in_flight=64)
    count = parameters.most_shards()

    of_each = [parameters.of_shard(number, count).in_flight for number in range(1, count + 1)]

    assert count == min(share, shards)
    assert sum(of_each) == share
    assert min(of_each) >= 1


def test_without_a_share_each_shard_may_have_all_slots() -> None:
    parameters = checked_parameters(source="in", destination="out", shards=4)

    assert parameters.most_shards() == 4
    assert parameters.of_shard(3, 4).in_flight == 8


def test_a_period_of_a_form_is_checked_and_kept_as_it_was_written() -> None:
    parameters = checked_parameters(source="in", destination="out", since="2026-11-30")

    assert parameters.model_dump(mode="json")["since"] == "2026-11-30"
    assert parameters.period.since == dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
    with pytest.raises(UsageError, match=r"^--until 'soon' is no date or time"):
        checked_parameters(source="in", destination="out", until="soon")


def test_results_to_read_again_are_named_with_commas_and_others_are_refused() -> None:
    parameters = checked_parameters(source="in", destination="out", retry="fallback, suspect", min_score=0.5)

    assert parameters.retries == {Retry.FALLBACK, Retry.SUSPECT}
    assert parameters.min_score == 0.5
    assert checked_parameters(source="in", destination="out").retries == frozenset()
    with pytest.raises(UsageError, match="'ok' in --retry 'ok' is no kind of result"):
        checked_parameters(source="in", destination="out", retry="ok")
