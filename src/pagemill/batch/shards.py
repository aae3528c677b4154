"""A run whose pages are read by other runs, its shards: their plans and their reports; `conclusion.py` adds them up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from pagemill.batch import outcomes, records
from pagemill.batch.local_files import OpenedDocument, ResultsSoFar
from pagemill.batch.run import Batch
from pagemill.domain.pages import assembly, keys, strict_json
from pagemill.domain.pages.model import Document, PageResult, Status
from pagemill.domain.pages.planning import PendingDocument
from pagemill.domain.pages.sharding import DocumentSlice, ShardPlan, read_plan
from pagemill.domain.pages.summary import RunSummary, read_summary
from pagemill.errors import StoreUnusable, UsageError
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
        batch.progress.add(outcomes.unfinished(document.document.key, ResultsSoFar()), Counter())
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
