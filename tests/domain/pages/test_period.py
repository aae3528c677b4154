from __future__ import annotations

import datetime as dt

import pytest

from pagemill.domain.pages.period import parse_period
from pagemill.errors import UsageError


def _utc(*moment: int) -> dt.datetime:
    return dt.datetime(*moment, tzinfo=dt.UTC)  # type: ignore[arg-type,misc]


def test_a_period_has_its_beginning_and_not_its_end() -> None:
    november = parse_period("2026-11-01", "2026-12-01")

    assert _utc(2026, 11, 1) in november
    assert _utc(2026, 11, 30, 23, 59, 59) in november
    assert _utc(2026, 12, 1) not in november
    assert _utc(2026, 10, 31, 23, 59, 59) not in november
    assert str(november) == "from 2026-11-01 00:00 UTC on before 2026-12-01 00:00 UTC "


def test_an_open_period_has_every_moment_and_no_words() -> None:
    always = parse_period("", " ")

    assert not always
    assert str(always) == ""
    assert _utc(1970, 1, 1) in always


def test_a_time_with_a_zone_is_of_that_zone_and_one_without_of_utc() -> None:
    assert parse_period("2026-11-30T06:00+01:00", "").since == _utc(2026, 11, 30, 5)
    assert parse_period("2026-11-30T06:00Z", "").since == _utc(2026, 11, 30, 6)
    assert parse_period("2026-11-30 06:00", "").since == _utc(2026, 11, 30, 6)


@pytest.mark.parametrize(
    ("since", "until", "says"),
    [
        ("yesterday", "", "--since 'yesterday' is no date or time"),
        ("", "30.11.2026", "--until '30.11.2026' is no date or time"),
        ("0001-01-01T00:00+14:00", "", "is no date or time"),
        ("2026-12-01", "2026-11-01", "no moment is from '2026-12-01' on and before '2026-11-01'"),
        ("2026-12-01", "2026-12-01", "no moment is"),
    ],
)
def test_what_is_no_period_says_what_to_write(since: str, until: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_period(since, until)
