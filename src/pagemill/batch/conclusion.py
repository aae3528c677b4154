"""The end of a run that was divided among shards: what several of them have read is published, and all is summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pagemill.batch import records
from pagemill.batch.checkpoints import CheckpointsDamaged
from pagemill.batch.run import Batch
from pagemill.batch.shards import ShardReport
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.planning import PendingDocument
from pagemill.domain.pages.sharding import DocumentSlice
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary
from pagemill.domain.service.cost import busy_cost_usd
from pagemill.errors import DocumentUnreadable, PagemillError, StoreUnusable


async def conclude(
    batch: Batch,
    run_id: str,
    pending: Iterable[PendingDocument],
    shards: Sequence[Sequence[DocumentSlice]],
    reports: Sequence[ShardReport | None],
    *,
    unreported_requests: int = 0,
    stopped_by: PagemillError | None = None,
) -> RunSummary:
    """Publish the documents that several shards have read, and write one summary over all.

    Args:
        batch: The batch that planned the run.
        run_id: Names the run.
        pending: The documents that were divided.
        shards: The slices of each shard.
        reports: The report of each shard, in the same order; None for a shard that was lost.
        unreported_requests: Requests of shards that are in no report.
        stopped_by: Why the run ends early, unless the batch or a shard says why.
    """
    conclusion = _Conclusion(batch, pending, shards, reports, unreported_requests)
    try:
        if not batch.stop.stopped_by:
            await conclusion.publish()
        summary = conclusion.summary(run_id, stopped_by)
        await batch.threads.publications(records.write_summary, batch.publisher.destination, summary)
    except StoreUnusable as error:
        return conclusion.summary(run_id, batch.stop.stopped_by or error)
    return summary


class _Conclusion:
    """The results of all shards, and the documents that were finished before."""

    def __init__(
        self,
        batch: Batch,
        pending: Iterable[PendingDocument],
        shards: Sequence[Sequence[DocumentSlice]],
        reports: Sequence[ShardReport | None],
        unreported_requests: int,
    ) -> None:
        self._batch = batch
        self._unreported_requests = unreported_requests
        self._pending = {document.document.key: document for document in pending}
        self._reports = [report for report in reports if report]
        self._outcomes = list(batch.progress.outcomes)
        self._divided: dict[str, list[_SliceResult]] = {}
        for slices, report in zip(shards, reports, strict=True):
            self._add_shard(slices, report)

    def _add_shard(self, slices: Sequence[DocumentSlice], report: ShardReport | None) -> None:
        reported = {outcome.key: outcome for outcome in report.summary.outcomes} if report else {}
        for part in slices:
            key = part.document.key
            if not part.whole:
                failed = report.failed.get(key, {}) if report else {}
                self._divided.setdefault(key, []).append(_SliceResult(part, reported.get(key), failed))
            elif key in reported:
                self._outcomes.append(self._with_reused(reported[key]))

    async def publish(self) -> None:
        """Publish the documents of which all slices are read."""
        for key, results in self._divided.items():
            if all(result.outcome and result.outcome.finished for result in results):
                failed = {number: page for result in results for number, page in result.failures()}
                outcome = await self._finished(self._pending[key], failed)
                if outcome:
                    seconds = max(result.outcome.seconds for result in results if result.outcome)
                    self._outcomes.append(replace(outcome, seconds=seconds))

    async def _finished(self, pending: PendingDocument, failed: dict[int, PageResult]) -> DocumentOutcome | None:
        """Publish a document; None if the run stopped before. Pages without a checkpoint are read again, once."""
        publisher, read_again = self._batch.publisher, False
        while not self._batch.stop.reason:
            try:
                return await self._batch.threads.publications(publisher.finish, pending, failed)
            except CheckpointsDamaged as error:
                pending = pending.without(error.pages)
                damaged = {number: page for number, page in error.pages.items() if number in pending.selected}
                if read_again or not await self._read(pending, tuple(damaged), failed):
                    failed |= damaged
                read_again = True
        return None

    async def _read(self, pending: PendingDocument, numbers: tuple[int, ...], failed: dict[int, PageResult]) -> bool:
        """Read pages that no shard can read any more; False if the document cannot be opened."""
        before = self._batch.progress.requests
        try:
            await self._batch.read_again(pending, numbers, failed)
        except (DocumentUnreadable, StoreUnusable):
            return False
        self._unreported_requests += self._batch.progress.requests - before
        return True

    def summary(self, run_id: str, stopped_by: PagemillError | None) -> RunSummary:
        """The summary of the run."""
        progress, summaries = self._batch.progress, [report.summary for report in self._reports]
        progress.outcomes = [*self._outcomes, *self._unfinished()]
        progress.statuses = _statuses(progress.outcomes)
        progress.suspects = sum(len(outcome.suspects) for outcome in progress.outcomes)
        progress.reused = sum(outcome.reused for outcome in progress.outcomes)
        progress.requests = self._unreported_requests + sum(summary.requests for summary in summaries)
        reasons = [self._batch.stop.stopped_by, *(summary.stopped_by for summary in summaries), stopped_by]
        own = progress.summary(
            run_id,
            destination=self._batch.publisher.destination.name,
            usd_per_second=self._batch.usd_per_second,
            stopped_by=next(filter(None, reasons), None),
        )
        busy = [own, *summaries]
        first = min((part.first_sent_at for part in busy if part.first_sent_at), default=None)
        last = max((part.last_answer_at for part in busy if part.last_answer_at), default=None)
        busy_seconds = (last - first).total_seconds() if first and last else 0.0
        cost = busy_cost_usd(busy_seconds, usd_per_second=self._batch.usd_per_second)
        return replace(own, cost_usd=cost, first_sent_at=first, last_answer_at=last)

    def _unfinished(self) -> Iterator[DocumentOutcome]:
        """The outcomes of the documents that no shard finished, or not all of their shards."""
        finished = {outcome.key for outcome in self._outcomes}
        for key in self._pending.keys() - finished:
            parts = [result.outcome for result in self._divided.get(key, []) if result.outcome]
            failures = {number: reason for part in parts for number, reason in part.failures.items()}
            pages, reused = sum(part.pages for part in parts), sum(part.reused for part in parts)
            low = {number: trust for part in parts for number, trust in part.suspects.items()}
            yield DocumentOutcome(
                key, pages, _statuses(parts), reused=reused, failures=failures, suspects=low, finished=False
            )

    def _with_reused(self, outcome: DocumentOutcome) -> DocumentOutcome:
        """Count the pages that are older than the run. A shard also counts those of its own first attempt."""
        if outcome.error or not outcome.finished:
            return outcome
        pending = self._pending[outcome.key]
        return replace(outcome, reused=len(pending.done.intersection(pending.selected)))


@dataclass(frozen=True, slots=True)
class _SliceResult:
    """The result of one slice of a divided document."""

    part: DocumentSlice
    outcome: DocumentOutcome | None
    failed: Mapping[int, PageResult]

    def failures(self) -> Iterator[tuple[int, PageResult]]:
        """Results of the pages without a checkpoint: all of the slice, if the shard could not open the document."""
        yield from self.failed.items()
        if self.outcome and self.outcome.error:
            for number in self.part.numbers:
                yield number, PageResult(number, Status.FAILED, objections=(self.outcome.error,))


def _statuses(found: Iterable[DocumentOutcome]) -> Counter[Status]:
    total: Counter[Status] = Counter()
    for outcome in found:
        total.update(outcome.statuses)
    return total
