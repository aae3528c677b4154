"""What earlier runs have left of a document, and what of it this run uses."""

from __future__ import annotations

from collections.abc import Collection

from pagemill.batch import publishing
from pagemill.batch.checkpoints import Checkpoints, ListedPages
from pagemill.batch.progress import Progress
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.pages.manifest import PriorManifest
from pagemill.domain.pages.model import CountedPdf, Document
from pagemill.domain.pages.planning import PendingDocument, Selection
from pagemill.domain.pages.retrying import Retry, to_redo


class EarlierResults:
    """The results of earlier runs, less those that are not good enough for this one."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        selection: Selection,
        threads: BlockingCalls,
        progress: Progress,
        retry: Collection[Retry],
    ) -> None:
        """Configure.

        Args:
            checkpoints: Where they are.
            selection: The pages that are wanted.
            threads: For calls that block.
            progress: Has the score below which a page is a suspect.
            retry: Which results are not good enough.
        """
        self._checkpoints = checkpoints
        self._selection = selection
        self._threads = threads
        self._progress = progress
        self._retry = retry

    async def finished(self, document: Document) -> PriorManifest | None:
        """The manifest of a document of which no page is to be read.

        Raises:
            KeyTaken: It is the manifest of another source's document.
            StoreUnusable: The destination cannot be read.
        """
        prior = await self._threads.lookups(publishing.covering_manifest, self._checkpoints, document, self._selection)
        if prior and self._to_redo(prior).intersection(self._selection.selected(document, prior.page_count)):
            return None
        return prior

    async def left_of(self, document: Document, pdf: CountedPdf) -> PendingDocument:
        """An opened document with the pages that are wanted, and those that have a result.

        Raises:
            KeyTaken: The manifest is that of another source's document.
            StoreUnusable: The destination cannot be read.
        """
        selected = self._selection.selected(document, pdf.pages)
        listed: ListedPages = await self._threads.lookups(self._checkpoints.listed, document, pdf.pages)
        redo = (await self._pages_to_redo(document)).intersection(listed.done, selected)
        return PendingDocument(
            document, pdf.pages, selected, listed.done - redo, pdf.findings, refused=listed.refused, redo=redo
        )

    async def _pages_to_redo(self, document: Document) -> frozenset[int]:
        if not self._retry:
            return frozenset()
        prior = await self._threads.lookups(publishing.prior_manifest, self._checkpoints.destination, document)
        if prior is None or prior.version != document.version or prior.recipe_id != self._checkpoints.recipe.id:
            return frozenset()
        return self._to_redo(prior)

    def _to_redo(self, prior: PriorManifest) -> frozenset[int]:
        return to_redo(prior, self._retry, min_score=self._progress.min_score)
