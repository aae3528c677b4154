"""The step after an answer that is not simply accepted: a witness, another picture, or the end of the ladder."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from pagemill.batch.asking import Asker
from pagemill.batch.attempts import PictureAttempts
from pagemill.batch.byte_budget import ByteBudget
from pagemill.batch.checkpoints import StandingResult
from pagemill.batch.chunks import DocumentFile
from pagemill.batch.climbing import PageClimb
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.judging import ladder
from pagemill.domain.judging.ladder import Rung
from pagemill.domain.pages.model import STANDARD_PICTURE, Document, PageResult, Picture
from pagemill.errors import DocumentChanged, PageUnreadable
from pagemill.ports import Rasterizer, Witness


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page comes from, and its result so far."""

    document: Document
    file: DocumentFile
    number: int
    standing: StandingResult | None  # that a better one replaces


class LadderSteps:
    """Decides outside of the slots: the endpoint reads other pages meanwhile."""

    def __init__(
        self,
        rasterizer: Rasterizer,
        asker: Asker,
        threads: BlockingCalls,
        images: ByteBudget,
        *,
        witness: Witness | None,
        min_score: float,
    ) -> None:
        """Configure.

        Args:
            rasterizer: Renders other pictures.
            asker: Knows how long an answer may be.
            threads: For calls that block.
            images: Counts images in memory.
            witness: Is asked about doubtful pages; None: there is none.
            min_score: A text with a lower score may be that of a page that lies on its side.
        """
        self._rasterizer = rasterizer
        self._asker = asker
        self._threads = threads
        self._images = images
        self._witness = witness
        self._min_score = min_score

    async def before_sending(self, climb: PageClimb, *, skip_blank: bool) -> PageResult | None:
        """The result of a page that a witness proves blank, if it is not to be sent; else None.

        Args:
            climb: The page. What the witness found is kept for its judge.
            skip_blank: Whether blank pages are not sent.
        """
        if not (self._witness and skip_blank and climb.may_be_blank):
            return None
        regions = await self._witness.regions(climb.picture.images[0].png)
        if regions is not None:
            climb.heard(regions)
        return climb.proved_blank(self._witness.name) if regions == 0 else None

    async def next(self, page: Page, climb: PageClimb, images: contextlib.ExitStack) -> PageResult | None:
        """The result of the page, or None once there is something else to send."""
        if climb.doubted and self._witness:
            doubted, picture = climb.doubted, climb.picture.images[0].png
            regions = await self._witness.regions(picture)
            climb.testify(regions, self._asker.most_tokens(doubted.transcript))
            await self.finish(climb)
            return climb.blank(self._witness.name) if climb.is_found_empty else None
        best = climb.best
        if best:
            turned = self.may_be_turned(climb, best) and await self._begin(page, climb, ladder.TURNED, images)
            return None if turned else climb.read(best)
        if not climb.is_refused:
            return climb.failed()
        for rung in climb.next_pictures(can_turn=self._witness is not None):
            if await self._begin(page, climb, rung, images):
                return None
        return climb.refused()

    async def finish(self, climb: PageClimb) -> None:
        """Judge the whole text, if all images of the picture are read."""
        picture = climb.picture
        if picture.current or picture.judgement:
            return
        if picture.is_divided:
            await self._threads.saves(picture.finish, climb.evidence)
        else:
            picture.finish(climb.evidence)

    def may_be_turned(self, climb: PageClimb, best: PictureAttempts) -> bool:
        """Whether its text is so bad that the page may lie on its side."""
        score = best.judgement.score if best.judgement else 0.0
        left = climb.is_plain and ladder.TURNED.name not in climb.tried and climb.requests < ladder.MOST_REQUESTS
        return bool(self._witness) and left and score < self._min_score

    async def _begin(self, page: Page, climb: PageClimb, rung: Rung, images: contextlib.ExitStack) -> bool:
        """Render the picture of a rung; False if there is none that shows the page otherwise.

        It does not wait for room: the page is in memory already, and would wait for itself.
        """
        picture = rung.picture or STANDARD_PICTURE
        climb.tried.add(rung.name)
        if rung.turned:
            degrees = await self._witness.turned(climb.pictures[0].images[0].png) if self._witness else None
            if not degrees:
                return False
            picture = Picture(turned=degrees)
        try:
            await self._threads.checks(page.file.check)
            rendering = await self._rasterizer.render(page.file.path, page.number, picture)
            await self._threads.checks(page.file.check)
        except (DocumentChanged, PageUnreadable):
            return False
        if not climb.begin(rendering, rung):
            return False
        images.enter_context(self._images.holding(climb.picture.size_bytes))
        return True
