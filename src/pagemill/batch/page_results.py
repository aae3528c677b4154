"""The results of pages as they are saved: refused texts beside them, and never a worse one over a better one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pagemill.batch.checkpoints import Checkpoints, StandingResult
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.pages.model import Document, PageResult, Status
from pagemill.domain.pages.refused import Refusal, RefusedTexts, bounded
from pagemill.domain.pages.retrying import Retry, is_better, is_to_redo
from pagemill.domain.pages.trust import PageFinding
from pagemill.domain.wording import encodable
from pagemill.ports import ABSENT


class PageResults:
    """Saves the results of pages, and says what earlier runs have left of one."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        threads: BlockingCalls,
        *,
        retry: Collection[Retry],
        min_score: float,
        context_tokens: int,
    ) -> None:
        """Configure.

        Args:
            checkpoints: Where they are.
            threads: For calls that block.
            retry: Results of earlier runs that are not good enough.
            min_score: An `ok` page with a lower score is a suspect.
            context_tokens: The model's window.
        """
        self._checkpoints = checkpoints
        self._threads = threads
        self._retry = retry
        self._min_score = min_score
        self._context_tokens = context_tokens

    def is_to_redo(self, result: PageResult) -> bool:
        """Whether a result is not good enough for this run."""
        return is_to_redo(result, self._retry, min_score=self._min_score)

    async def standing(self, document: Document, number: int) -> StandingResult | None:
        """The result of a page so far, if it has one."""
        return await self._threads.lookups(self._checkpoints.standing, document, number)

    async def ended(self, document: Document, number: int) -> PageResult | None:
        """The failure of a page whose every step was tried in an earlier run; None if there is something to try.

        A defect that came again at every step would come again now, and be paid for again.
        """
        if Retry.FAILED in self._retry:
            return None
        texts = await self._threads.lookups(self._checkpoints.refused, document, number)
        if texts is None or not texts.ended or texts.context_tokens < self._context_tokens:
            return None
        reasons = (f"{refusal.rung}: {refusal.reason}" for refusal in texts.refusals)
        signals = dict.fromkeys(signal for refusal in texts.refusals for signal in refusal.signals)
        return PageResult(
            number,
            Status.FAILED,
            objections=(
                *map(encodable, reasons),
                "an earlier run has tried all it could; --retry failed tries again",
            ),
            findings=tuple(PageFinding(signal, 1.0) for signal in signals),
        )

    async def save(
        self, document: Document, result: PageResult, refusals: Sequence[Refusal], standing: StandingResult | None
    ) -> PageResult:
        """Save a result, unless a better one stands; return the one that counts."""
        if standing and not is_better(result, standing.result):
            return standing.result
        if refusals:
            ended = result.status is Status.FAILED
            texts = RefusedTexts(result.number, ended, self._context_tokens, bounded(refusals))
            await self._threads.saves(self._checkpoints.write_refused, document, texts)
        over = standing.version if standing else ABSENT
        await self._threads.saves(self._checkpoints.write, document, result, over)
        return result
