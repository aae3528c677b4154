"""The counters of a run, for a progress bar, an artifact and the summary."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pagemill.domain.judging.findings import SUSPECT_BELOW
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary, trouble
from pagemill.domain.service.cost import busy_cost_usd
from pagemill.errors import PagemillError


@dataclass(slots=True)
class Progress:
    """Changes on the event loop only. Code on the same loop may read it at any time."""

    started: float = field(default_factory=time.monotonic)
    reading_since: float = field(default_factory=time.monotonic)
    activity: str = "starting"
    beside: str = ""  # what goes on beside the activity
    listed: bool = False  # whether `documents` is final
    documents: int = 0
    pages_planned: int = 0  # of the documents opened so far
    statuses: Counter[Status] = field(default_factory=Counter)
    suspects: int = 0
    min_score: float = SUSPECT_BELOW  # an `ok` page with a lower score is a suspect
    suspects_fail: bool = False  # a suspect counts as a failure for the exit code
    witness: str = ""  # who can be asked about pages with little on them; empty: nobody
    reused: int = 0
    requests: int = 0
    in_flight: int = 0
    first_sent: float | None = None
    last_answer: float | None = None
    outcomes: list[DocumentOutcome] = field(default_factory=list)
    troubled: Counter[str] = field(default_factory=Counter)  # documents by `DocumentOutcome.trouble`
    images: Mapping[str, int] = field(default_factory=dict)  # files beside the PDFs that are not read, by ending

    @property
    def pages_done(self) -> int:
        """Pages with a result, of this run or an earlier one."""
        return sum(self.statuses.values())

    @property
    def trouble(self) -> str:
        """What has no result so far, pages and documents apart; empty if nothing."""
        return trouble(self.troubled, failed_pages=self.statuses[Status.FAILED])

    @property
    def verdict(self) -> str:
        """What has no result so far, and how many results are suspect, for a line of progress."""
        return (self.trouble or "none failed") + (f", {self.suspects} suspect" if self.suspects else "")

    @property
    def seconds(self) -> float:
        """Seconds since the run was started, by the clock on the wall: a server that had to start counts, too."""
        return time.monotonic() - self.started

    @property
    def pages_per_second(self) -> float:
        """Pages that this run read itself, divided by the time since it began to read."""
        return (self.pages_done - self.reused) / max(time.monotonic() - self.reading_since, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the planned pages are done at this run's speed; None while it cannot be estimated."""
        pages_left = self.pages_planned - self.pages_done
        if not self.listed or self.pages_done == self.reused:
            return None
        return pages_left / self.pages_per_second

    @property
    def busy_seconds(self) -> float:
        """Seconds from the first page sent to the last answer: the time for which a GPU is billed."""
        if self.first_sent is None or self.last_answer is None:
            return 0.0
        return self.last_answer - self.first_sent

    def summary(
        self, run_id: str, *, destination: str, usd_per_second: float, stopped_by: PagemillError | None
    ) -> RunSummary:
        """The summary of the run from the counters as they are now."""
        return RunSummary(
            run_id=run_id,
            documents=self.documents,
            statuses=Counter(self.statuses),
            reused=self.reused,
            requests=self.requests,
            seconds=self.seconds,
            cost_usd=busy_cost_usd(self.busy_seconds, usd_per_second=usd_per_second),
            destination=destination,
            outcomes=tuple(sorted(self.outcomes, key=lambda outcome: outcome.key)),
            stopped_by=stopped_by,
            first_sent_at=_time_of_day(self.first_sent),
            last_answer_at=_time_of_day(self.last_answer),
            images=dict(self.images),
            suspects_fail=self.suspects_fail,
            witness=self.witness,
        )

    def begin(self) -> None:
        """Begin to read. The time before does not count in `pages_per_second`."""
        self.reading_since = time.monotonic()
        self.announce("listing documents")

    def is_suspect(self, result: PageResult) -> bool:
        """Whether the page is `ok` with a score that is too low for this run."""
        return result.trust is not None and result.trust.score < self.min_score

    def announce(self, activity: str) -> None:
        """Set what the run is doing or waiting for."""
        self.activity = activity

    def add(self, outcome: DocumentOutcome, read: Counter[Status], suspects: int = 0) -> None:
        """Add a document that is through.

        Its own statuses take the place of those that were counted while it was read: another run may have been first
        with a page, or a page was read twice.

        Args:
            outcome: What it came to.
            read: What was counted for it, page by page.
            suspects: How many suspects were counted for it.
        """
        self.outcomes.append(outcome)
        self.troubled[outcome.trouble] += 1
        self.statuses = self.statuses - read + Counter(outcome.statuses)
        self.suspects += len(outcome.suspects) - suspects
        self.reused += outcome.reused

    def sent(self) -> None:
        """Count a request that is sent."""
        self.requests += 1
        if self.first_sent is None:
            self.first_sent = time.monotonic()

    def answered(self) -> None:
        """Note the time of an answer or of a failed request."""
        self.last_answer = time.monotonic()


def _time_of_day(moment: float | None) -> dt.datetime | None:
    """A reading of `time.monotonic` as a time of day, UTC."""
    if moment is None:
        return None
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=time.monotonic() - moment)
