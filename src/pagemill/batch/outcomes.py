"""What a document came to, in the figures of its run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pagemill.batch import publishing
from pagemill.domain.pages.manifest import Receipt, Tally
from pagemill.domain.pages.model import PageResult, Recipe, Status
from pagemill.domain.pages.sharding import Work
from pagemill.domain.pages.summary import DocumentOutcome
from pagemill.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class Finished:
    """A document's outcome, and the pages in it whose results are from before the run."""

    outcome: DocumentOutcome
    reused: Counter[Status]


def settled(document_key: str, receipt: Receipt, selected: tuple[int, ...]) -> Finished:
    """The outcome of a document that an earlier run left nothing to do for."""
    statuses = receipt.counts(selected)
    return Finished(DocumentOutcome(document_key, len(selected), statuses, reused=statuses.total()), statuses)


def published(
    destination: ObjectStore,
    recipe: Recipe,
    work: Work,
    failed: Mapping[int, PageResult],
    *,
    usd_per_page_second: float,
) -> Finished:
    """Publish a document all of whose pages have been read, with those of earlier runs; blocks.

    Raises:
        StoreUnusable: The destination cannot be read or written.
    """
    try:
        tally = publishing.publish(
            destination,
            work.document,
            recipe,
            page_count=work.page_count,
            numbers=work.done.union(work.selected),
            failed=failed,
            usd_per_page_second=usd_per_page_second,
        )
    except publishing.Contended as error:
        finished = _finished(work, error.tally)
        return replace(finished, outcome=replace(finished.outcome, error=str(error)))
    return _finished(work, tally)


def unpublished(destination: ObjectStore, recipe: Recipe, work: Work, failed: Mapping[int, PageResult]) -> Finished:
    """The outcome of pages that somebody else is going to publish; blocks.

    Raises:
        StoreUnusable: The destination cannot be read.
    """
    return _finished(work, publishing.tallied(destination, work.document, recipe, work.selected, failed))


def _finished(work: Work, tally: Tally) -> Finished:
    selected = frozenset(work.selected)
    pages = {status: selected.intersection(numbers) for status, numbers in tally.pages.items()}
    reused = Counter({status: len(numbers & work.done) for status, numbers in pages.items()})
    statuses = {status: len(numbers) for status, numbers in pages.items()}
    outcome = DocumentOutcome(
        work.document.key, len(selected), statuses, reused=reused.total(), failures=tally.failures
    )
    return Finished(outcome, reused)
