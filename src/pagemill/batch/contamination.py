"""Finds pages whose text is another page's that was at the endpoint at the same time, and was answered later."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.climbing import PageClimb
from pagemill.batch.neighbours import Watch
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.judging.judge import Evidence, judge
from pagemill.domain.pages.model import Document, PageResult, Transcript
from pagemill.domain.pages.trust import PageFinding


@dataclass(frozen=True, slots=True)
class _Followed:
    """A page that is answered; no image of it is kept."""

    document: Document
    result: PageResult
    transcript: Transcript
    evidence: Evidence
    watch: Watch


class ContaminationCheck:
    """Judges a page once more when all requests have ended that had begun before it was answered.

    Its result is saved before: a run that is killed loses nothing but this second look.
    """

    def __init__(self, checkpoints: Checkpoints, threads: BlockingCalls) -> None:
        """Configure.

        Args:
            checkpoints: The results.
            threads: For calls that block.
        """
        self._checkpoints = checkpoints
        self._threads = threads
        self._followed: defaultdict[str, set[asyncio.Task[None]]] = defaultdict(set)
        self._changed: defaultdict[str, dict[int, PageResult]] = defaultdict(dict)

    def follow(self, document: Document, result: PageResult, climb: PageClimb) -> None:
        """Look at an `ok` page again, later."""
        best = climb.best
        if not best or not result.trust or not climb.watch:
            return
        transcript = best.attempts[-1].transcript
        page = _Followed(document, result, transcript, climb.evidence, climb.watch)
        task = asyncio.create_task(self._look(page))
        followed = self._followed[document.key]
        followed.add(task)
        task.add_done_callback(followed.discard)

    async def settle(self, document_key: str) -> Mapping[int, PageResult]:
        """Wait for all pages of a document; the results that changed, by page number."""
        if followed := self._followed.pop(document_key, None):
            await asyncio.gather(*followed)
        return self._changed.pop(document_key, {})

    def close(self) -> None:
        """Look at no page any more: the run has ended."""
        for task in [task for followed in self._followed.values() for task in followed]:
            task.cancel()

    async def _look(self, page: _Followed) -> None:
        await page.watch.ended()
        texts = page.watch.texts
        if not texts:
            return
        result = page.result
        judgement = judge(page.transcript, replace(page.evidence, in_flight=tuple(texts.values())))
        if result.score is None or judgement.refused or judgement.score >= result.score:
            return
        known = {finding.signal for finding in result.findings}
        new = [finding for finding in judgement.findings if finding.signal not in known]
        amended = replace(
            result,
            score=judgement.score,
            findings=(*result.findings, *(PageFinding(finding.signal, finding.measure) for finding in new)),
            objections=(*result.objections, *(finding.words for finding in new)),
        )
        if await self._threads.saves(self._checkpoints.amend, page.document, result, amended):
            self._changed[page.document.key][result.number] = amended
