"""A run whose pages are read by other runs, its shards: their plans, their reports, and the summary over all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from pagemill.batch import outcomes, records
from pagemill.batch.checkpoints import CheckpointsDamaged
from pagemill.batch.local_files import OpenedDocument
from pagemill.batch.run import Batch
from pagemill.domain.pages import assembly, keys, strict_json
from pagemill.domain.pages.model import Document, PageResult, Status
from pagemill.domain.pages.planning import PendingDocument
from pagemill.domain.pages.sharding import DocumentSlice, ShardPlan, read_plan
from pagemill.domain.pages.summary import DocumentOutcome, RunSummary, read_summary
from pagemill.domain.service.cost import busy_cost_usd
from pagemill.errors import PagemillError, StoreUnusable, UsageError
from pagemill.ports import DocumentSource, LocalCopy, ObjectStore


@dataclass(frozen=True, slots=True)
class ShardReport:
    """The result of a shard."""

    summary: RunSummary
    failed: Mapping[str, Mapping[int, PageResult]]  # of documents that it did not publish; by key and page number


class PlannedSource:
    """The documents of a shard's plan, read from the source of the run."""

    def __init__(self, source: DocumentSource, plan: ShardPlan) -> None:
        """Configure; `source` is not listed."""
        self.name = source.name
        self.images: Counter[str] = Counter()  # the run that divided the documents counts them
        self._source = source
        self._plan = plan

    def documents(self) -> Iterator[Document]:
        """Yield the documents of the plan."""
        for part in self._plan.slices.values():
            yield part.document

    def local_copy(self, document: Document) -> AbstractContextManager[LocalCopy]:
        """Provide a document as a local file, as the source does."""
        return self._source.local_copy(document)


async def plan(batch: Batch) -> list[PendingDocument]:
    """Open every document as a run does, and return those with pages to read. The others get their outcome.

    Returns:
        The documents; none if the run was stopped.
    """
    pending: list[PendingDocument] = []

    async def note(opened: OpenedDocument) -> None:
        pending.append(opened.pending)

    batch.progress.begin()
    try:
        await batch.documents.each(note)
    except StoreUnusable as error:
        batch.stop.now(error)
    if not batch.stop.reason:
        return pending
    for document in pending:
        batch.progress.add(outcomes.unfinished(document.document.key, {}, {}), Counter())
    return []


def write_plans(batch: Batch, run_id: str, shards: Sequence[Sequence[DocumentSlice]]) -> None:
    """Write the plans of all shards; blocks.

    Raises:
        StoreUnusable: The destination cannot be written.
    """
    for number, slices in enumerate(shards, start=1):
        shard_plan = ShardPlan(batch.publisher.recipe.id, {part.document.key: part for part in slices})
        write_plan(batch.publisher.destination, run_id, number, shard_plan)


def write_plan(destination: ObjectStore, run_id: str, shard: int, shard_plan: ShardPlan) -> None:
    """Write a shard's plan to the destination, where the shard reads it; blocks.

    Raises:
        StoreUnusable: The destination cannot be written.
    """
    records.write_parts(destination, keys.shard_plan(run_id, shard), shard_plan.to_json(), "application/json")


def plan_of(destination: ObjectStore, run_id: str, shard: int) -> ShardPlan:
    """Read a shard's plan; blocks.

    Raises:
        UsageError: There is none, or another version of pagemill wrote it.
    """
    key = keys.shard_plan(run_id, shard)
    stored = destination.read(key)
    if stored is None:
        raise UsageError(
            f"there is no plan {destination.name}/{key}: a shard is started by a run with shards, and needs the same "
            "destination; a local folder must have the same path on all machines"
        )
    try:
        return read_plan(stored.data)
    except ValueError as error:
        raise UsageError(
            f"the plan {destination.name}/{key} cannot be read: {error}; install the same pagemill on all machines, "
            "then run again"
        ) from error


def report_of(destination: ObjectStore, run_id: str, shard: int) -> ShardReport | None:
    """Read the report of a shard; None if it has not written one; blocks.

    Raises:
        StoreUnusable: The destination cannot be read.
        ValueError: The report is damaged.
    """
    shard_id = keys.shard_id(run_id, shard)
    summary, failures = destination.read(keys.run_summary(shard_id)), destination.read(keys.failures(shard_id))
    if summary is None or failures is None:
        return None
    with _named(destination, keys.failures(shard_id)):
        failed = _read_failures(failures.data)
    with _named(destination, keys.run_summary(shard_id)):
        found = read_summary(summary.data)
        if found.run_id != shard_id:
            raise ValueError(f"it is of run {found.run_id}")
    return ShardReport(found, failed)


@contextmanager
def _named(destination: ObjectStore, key: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{destination.name}/{key} is damaged: {error}") from error


def _read_failures(text: bytes) -> dict[str, dict[int, PageResult]]:
    failed: dict[str, dict[int, PageResult]] = {}
    for line in text.splitlines():
        entry = strict_json.parse(line)
        result = assembly.from_json(entry.text("result"))
        if result.number != entry.count("number") or result.status is not Status.FAILED:
            raise ValueError(f"the result of page {result.number} is not that of a failed page {entry.count('number')}")
        failed.setdefault(entry.text("document"), {})[result.number] = result
    return failed


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
            await asyncio.to_thread(conclusion.publish)
        summary = conclusion.summary(run_id, stopped_by)
        await asyncio.to_thread(records.write_summary, batch.publisher.destination, summary)
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

    def publish(self) -> None:
        """Publish the documents of which all slices are read; blocks."""
        for key, results in self._divided.items():
            if all(result.outcome and result.outcome.finished for result in results):
                failed = {number: page for result in results for number, page in result.failures()}
                outcome = self._finished(self._pending[key], failed)
                seconds = max(result.outcome.seconds for result in results if result.outcome)
                self._outcomes.append(replace(outcome, seconds=seconds))

    def _finished(self, pending: PendingDocument, failed: dict[int, PageResult]) -> DocumentOutcome:
        """Publish a document. Pages without a usable checkpoint are failed: here nobody can read them."""
        while True:
            try:
                return self._batch.publisher.finish(pending, failed)
            except CheckpointsDamaged as error:
                failed |= {number: page for number, page in error.pages.items() if number in pending.selected}
                pending = pending.without(error.pages)

    def summary(self, run_id: str, stopped_by: PagemillError | None) -> RunSummary:
        """The summary of the run."""
        progress, summaries = self._batch.progress, [report.summary for report in self._reports]
        progress.outcomes = [*self._outcomes, *self._unfinished()]
        progress.statuses = _statuses(progress.outcomes)
        progress.reused = sum(outcome.reused for outcome in progress.outcomes)
        progress.requests = self._unreported_requests + sum(summary.requests for summary in summaries)
        first = min((summary.first_sent_at for summary in summaries if summary.first_sent_at), default=None)
        last = max((summary.last_answer_at for summary in summaries if summary.last_answer_at), default=None)
        busy_seconds = (last - first).total_seconds() if first and last else 0.0
        reasons = [self._batch.stop.stopped_by, *(summary.stopped_by for summary in summaries), stopped_by]
        own = progress.summary(
            run_id,
            destination=self._batch.publisher.destination.name,
            usd_per_second=self._batch.usd_per_second,
            stopped_by=next(filter(None, reasons), None),
        )
        cost = busy_cost_usd(busy_seconds, usd_per_second=self._batch.usd_per_second)
        return replace(own, cost_usd=cost, first_sent_at=first, last_answer_at=last)

    def _unfinished(self) -> Iterator[DocumentOutcome]:
        """The outcomes of the documents that no shard finished, or not all of their shards."""
        finished = {outcome.key for outcome in self._outcomes}
        for key in self._pending.keys() - finished:
            parts = [result.outcome for result in self._divided.get(key, []) if result.outcome]
            failures = {number: reason for part in parts for number, reason in part.failures.items()}
            pages, reused = sum(part.pages for part in parts), sum(part.reused for part in parts)
            yield DocumentOutcome(key, pages, _statuses(parts), reused=reused, failures=failures, finished=False)

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
