"""A period of time that documents are chosen by: when objects were created, and files last modified."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from pagemill.errors import UsageError


@dataclass(frozen=True, slots=True)
class Period:
    """From one moment on, until before another one; None: open."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None

    def __contains__(self, moment: dt.datetime) -> bool:
        """Whether a moment is in the period."""
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)

    def __bool__(self) -> bool:
        """Whether it leaves out anything."""
        return self.since is not None or self.until is not None

    def __str__(self) -> str:
        """Words that follow a noun, with a blank at their end: "from 2026-11-01 00:00 UTC on "; empty if it is open."""
        since = f"from {_written(self.since)} on " if self.since else ""
        return since + (f"before {_written(self.until)} " if self.until else "")


ALWAYS = Period()


def parse_period(since: str, until: str) -> Period:
    """Read two moments, each empty for an open end.

    Raises:
        UsageError: One is no moment, or the period is empty.
    """
    period = Period(_parsed("since", since), _parsed("until", until))
    if period.since and period.until and period.since >= period.until:
        raise UsageError(f"no moment is from '{since}' on and before '{until}'; write the earlier one as --since")
    return period


def _parsed(name: str, text: str) -> dt.datetime | None:
    if not text.strip():
        return None
    try:
        moment = dt.datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--{name} '{text}' is no date or time; write for example 2026-11-30 or 2026-11-30T06:00+01:00; without a "
            "zone it is UTC"
        ) from None


def _written(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}".removesuffix(":00") + " UTC"
