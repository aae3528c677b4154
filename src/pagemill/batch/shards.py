"""A run whose pages other runs read: what it tells them, and what it makes of their reports."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pagemill.batch import outcomes, publishing
from pagemill.batch.documents import Batch
from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.sharding import Piece, ShardPlan, Work, read_plan
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary, read_summary
from pagemill.domain.service.cost import busy_cost_usd
from pagemill.errors import PagemillError, StoreUnusable, UsageError
from pagemill.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What a shard did."""

    summary: RunSummary
    failed: Mapping[str, Mapping[int, PageResult]]  # pages of documents that it did not publish; by key and number


def write_plan(destination: ObjectStore, run_id: str, shard: int, plan: ShardPlan) -> None:
    """Leave a shard's plan where the shard looks for it; blocks."""
    publishing.write_parts(destination, keys.shard_plan(run_id, shard), plan.to_json(), "application/json")


def write_plans(batch: Batch, run_id: str, shards: Sequence[Sequence[Piece]]) -> None:
    """Leave the plans of all shards; blocks."""
    for number, pieces in enumerate(shards, start=1):
        plan = ShardPlan(batch.recipe.id, {piece.document.key: piece for piece in pieces})
        write_plan(batch.destination, run_id, number, plan)


def plan_of(destination: ObjectStore, run_id: str, shard: int) -> ShardPlan:
    """Read a shard's plan; blocks.

    Raises:
        UsageError: There is none, or it is from another version of pagemill.
    """
    key = keys.shard_plan(run_id, shard)
    stored = destination.read(key)
    if stored is None:
        raise UsageError(
            f"there is no plan {destination.name}/{key}: a shard is started by a run with shards, and needs the same "
            "destination; a folder has to be at the same place on all machines"
        )
    try:
        return read_plan(stored.data)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"the plan {destination.name}/{key} cannot be read: {error!r}; have the same pagemill on all machines"
        ) from error


def report_of(destination: ObjectStore, run_id: str, shard: int) -> ShardReport | None:
    """What a shard reported; None if it did not get that far; blocks."""
    shard_id = keys.shard_id(run_id, shard)
    summary, failures = destination.read(keys.run_summary(shard_id)), destination.read(keys.failures(shard_id))
    if summary is None or failures is None:
        return None
    failed: dict[str, dict[int, PageResult]] = {}
    for line in failures.data.splitlines():
        entry: Any = json.loads(line)
        failed.setdefault(entry["document"], {})[entry["number"]] = assembly.from_json(entry["result"])
    return ShardReport(read_summary(summary.data), failed)


async def conclude(
    batch: Batch,
    run_id: str,
    works: Iterable[Work],
    shards: Sequence[Sequence[Piece]],
    reports: Sequence[ShardReport | None],
    *,
    unreported_requests: int = 0,
    stopped_by: PagemillError | None = None,
) -> RunSummary:
    """Publish the documents that were divided among shards, and write the one summary over all.

    Args:
        batch: What planned the run.
        run_id: Names the run.
        works: What was divided.
        shards: How.
        reports: What became of it, in the same order; None of a shard that was lost.
        unreported_requests: What shards sent that no report tells of.
        stopped_by: Why the run ends early, where no shard said so itself.
    """
    conclusion = _Conclusion(batch, {work.document.key: work for work in works}, shards, reports, unreported_requests)
    try:
        if not batch.stopped_by:
            await asyncio.to_thread(conclusion.publish)
        summary = conclusion.summary(run_id, stopped_by)
        await asyncio.to_thread(publishing.write_summary, batch.destination, summary)
    except StoreUnusable as error:
        return conclusion.summary(run_id, batch.stopped_by or error)
    return summary


class _Conclusion:
    """Everything that became of a run, as it comes together."""

    def __init__(
        self,
        batch: Batch,
        works: Mapping[str, Work],
        shards: Sequence[Sequence[Piece]],
        reports: Sequence[ShardReport | None],
        unreported_requests: int,
    ) -> None:
        self._batch = batch
        self._unreported_requests = unreported_requests
        self._works = works
        self._reports = [report for report in reports if report]
        self._outcomes = list(batch.progress.outcomes)
        self._unfinished: Counter[Status] = Counter()  # pages with a result, of documents without an outcome
        self._divided: dict[str, list[_Part]] = {}
        for pieces, report in zip(shards, reports, strict=True):
            reported = {outcome.key: outcome for outcome in report.summary.outcomes} if report else {}
            for piece in pieces:
                key = piece.document.key
                if not piece.whole:
                    failed = report.failed.get(key, {}) if report else {}
                    self._divided.setdefault(key, []).append(_Part(piece, reported.get(key), failed))
                elif key in reported:
                    self._outcomes.append(self._with_what_was_there(reported[key]))
        for report in self._reports:
            finished = _statuses(report.summary.outcomes)
            self._unfinished += Counter(report.summary.statuses) - finished

    def publish(self) -> None:
        """Publish the documents that are read, but by several; blocks."""
        for key, parts in self._divided.items():
            if all(part.outcome for part in parts):
                finished = outcomes.published(
                    self._batch.destination,
                    self._batch.recipe,
                    self._works[key],
                    {number: result for part in parts for number, result in part.failures()},
                    usd_per_page_second=self._batch.usd_per_page_second,
                )
                seconds = max(part.outcome.seconds for part in parts if part.outcome)
                self._outcomes.append(replace(finished.outcome, seconds=seconds))
            else:
                self._unfinished += _statuses(part.outcome for part in parts if part.outcome)

    def summary(self, run_id: str, stopped_by: PagemillError | None) -> RunSummary:
        """The account of the run."""
        progress, told = self._batch.progress, [report.summary for report in self._reports]
        progress.outcomes = self._outcomes
        progress.statuses = _statuses(self._outcomes) + self._unfinished
        progress.reused = sum(outcome.reused for outcome in self._outcomes)
        progress.requests = self._unreported_requests + sum(summary.requests for summary in told)
        first = min((summary.first_sent_at for summary in told if summary.first_sent_at), default=None)
        last = max((summary.last_answer_at for summary in told if summary.last_answer_at), default=None)
        busy_seconds = (last - first).total_seconds() if first and last else 0.0
        reasons = [self._batch.stopped_by, *(summary.stopped_by for summary in told), stopped_by]
        mine = progress.summary(
            run_id,
            destination=self._batch.destination.name,
            usd_per_second=self._batch.usd_per_second,
            stopped_by=next(filter(None, reasons), None),
        )
        cost = busy_cost_usd(busy_seconds, usd_per_second=self._batch.usd_per_second)
        return replace(mine, cost_usd=cost, first_sent_at=first, last_answer_at=last)

    def _with_what_was_there(self, outcome: DocumentOutcome) -> DocumentOutcome:
        """Pages that a shard found done may be those of its own first attempt: the plan knows which are older."""
        work = self._works[outcome.key]
        return outcome if outcome.error else replace(outcome, reused=len(work.done.intersection(work.selected)))


@dataclass(frozen=True, slots=True)
class _Part:
    """What became of a piece of a divided document."""

    piece: Piece
    outcome: DocumentOutcome | None
    failed: Mapping[int, PageResult]

    def failures(self) -> Iterator[tuple[int, PageResult]]:
        """Results of the pages that have no checkpoint: all of them, if the document could not be opened again."""
        yield from self.failed.items()
        if self.outcome and self.outcome.error:
            for number in self.piece.numbers:
                yield number, PageResult(number, Status.FAILED, objections=(self.outcome.error,))


def _statuses(found: Iterable[DocumentOutcome]) -> Counter[Status]:
    total: Counter[Status] = Counter()
    for outcome in found:
        total.update(outcome.statuses)
    return total
