"""The result of a document for the summary of its run, and who publishes the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pagemill.batch import publishing
from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.local_files import ResultsSoFar
from pagemill.batch.records import write_failures
from pagemill.domain.judging.findings import SUSPECT_BELOW
from pagemill.domain.pages.manifest import PriorManifest, Tally
from pagemill.domain.pages.model import PageResult
from pagemill.domain.pages.planning import PendingDocument
from pagemill.domain.pages.sharding import ShardPlan
from pagemill.domain.pages.summary import DocumentOutcome
from pagemill.domain.pages.trust import suspects
from pagemill.errors import KeyTaken


def already_finished(
    document_key: str, prior: PriorManifest, selected: tuple[int, ...], *, min_score: float
) -> DocumentOutcome:
    """The outcome of a document of which an earlier run has read all selected pages."""
    statuses, wanted = prior.counts(selected), frozenset(selected)
    scored = {number: trust for number, trust in prior.scored.items() if number in wanted}
    return DocumentOutcome(
        document_key,
        len(selected),
        statuses,
        reused=statuses.total(),
        suspects=suspects(scored, below=min_score),
        findings=prior.findings,
    )


def unreadable(document_key: str, reason: str) -> DocumentOutcome:
    """The outcome of a document that cannot be opened."""
    return DocumentOutcome(document_key, 0, {}, error=reason)


def unfinished(document_key: str, results: ResultsSoFar) -> DocumentOutcome:
    """The outcome of a document that the run did not finish, with the pages that it read."""
    failures = {number: "; ".join(result.objections) for number, result in results.failed.items()}
    return DocumentOutcome(
        document_key,
        results.read.total(),
        dict(results.read),
        failures=failures,
        suspects=dict(results.suspects),
        finished=False,
    )


def nothing_selected(pending: PendingDocument) -> DocumentOutcome:
    """The outcome of a document that has none of the selected pages."""
    return DocumentOutcome(pending.document.key, 0, {}, findings=pending.findings)


class DocumentPublisher:
    """Publishes each document when all its pages are read. Every method blocks: call them from a thread."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        *,
        usd_per_page_second: float,
        min_score: float = SUSPECT_BELOW,
        witness: str = "",
    ) -> None:
        """Configure.

        Args:
            checkpoints: The pages' results, and the destination.
            usd_per_page_second: Price of one page in flight for one second, in USD.
            min_score: An `ok` page with a lower score is a suspect.
            witness: Who could be asked about pages with little on them; empty: nobody.
        """
        self.checkpoints = checkpoints
        self.destination = checkpoints.destination
        self.recipe = checkpoints.recipe
        self._usd_per_page_second = usd_per_page_second
        self._min_score = min_score
        self._witness = witness

    def finish(self, pending: PendingDocument, failed: Mapping[int, PageResult]) -> DocumentOutcome:
        """Publish a document whose selected pages are all read, together with the pages of earlier runs.

        Raises:
            CheckpointsDamaged: Some are not read. Nothing was written.
            StoreUnusable: The destination cannot be read or written.
        """
        try:
            tally = publishing.publish(
                self.checkpoints,
                pending.document,
                page_count=pending.page_count,
                findings=pending.findings,
                numbers=pending.done.union(pending.selected),
                failed=failed,
                usd_per_page_second=self._usd_per_page_second,
                min_score=self._min_score,
                witness=self._witness,
            )
        except KeyTaken as error:
            tally = publishing.tallied(self.checkpoints.results(pending.document, pending.selected, failed))
            return replace(self._outcome(pending, tally), error=str(error))
        except publishing.Contended as error:
            return replace(self._outcome(pending, error.tally), error=str(error))
        return self._outcome(pending, tally)

    def close(self, run_id: str) -> None:
        """Write what other runs need to publish the documents that this one did not. Here: nothing."""

    def _outcome(self, pending: PendingDocument, tally: Tally) -> DocumentOutcome:
        selected = frozenset(pending.selected)
        pages = {status: selected.intersection(numbers) for status, numbers in tally.pages.items()}
        reused = sum(len(numbers & pending.done) for numbers in pages.values())
        statuses = {status: len(numbers) for status, numbers in pages.items()}
        scored = {number: trust for number, trust in tally.scored.items() if number in selected}
        return DocumentOutcome(
            pending.document.key,
            len(selected),
            statuses,
            reused=reused,
            failures=tally.failures,
            suspects=suspects(scored, below=self._min_score),
            findings=pending.findings,
        )


class SlicePublisher(DocumentPublisher):
    """The publisher of a shard: documents that several shards read are published by the run that started them."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        *,
        usd_per_page_second: float,
        plan: ShardPlan,
        min_score: float = SUSPECT_BELOW,
        witness: str = "",
    ) -> None:
        """Configure; the plan says which documents the shard reads as a whole."""
        super().__init__(checkpoints, usd_per_page_second=usd_per_page_second, min_score=min_score, witness=witness)
        self._plan = plan
        self._failed: dict[str, Mapping[int, PageResult]] = {}

    def finish(self, pending: PendingDocument, failed: Mapping[int, PageResult]) -> DocumentOutcome:
        """Publish a whole document; of a slice, keep the failed pages and sum over all.

        Raises:
            CheckpointsDamaged: Some pages are not read.
            StoreUnusable: The destination cannot be read or written.
        """
        document = pending.document
        if self._plan.slices[document.key].whole:
            return super().finish(pending, failed)
        self._failed[document.key] = failed
        return self._outcome(pending, publishing.tallied(self.checkpoints.results(document, pending.selected, failed)))

    def close(self, run_id: str) -> None:
        """Write the failed pages of slices, which have no checkpoints.

        Raises:
            StoreUnusable: The destination cannot be written.
        """
        write_failures(self.destination, run_id, self._failed)
