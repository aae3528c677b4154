"""A page on the ladder: its pictures so far, what was refused, what is tried next, and its result in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pagemill.batch.attempts import Attempt, PictureAttempts
from pagemill.batch.neighbours import Neighbours, Texts, Visit, Watch
from pagemill.domain.judging import ladder
from pagemill.domain.judging.findings import Finding, Judgement, Signal
from pagemill.domain.judging.judge import Evidence, is_empty, judge
from pagemill.domain.judging.ladder import Rung
from pagemill.domain.pages.model import PageResult, Rendering, Status, Transcript
from pagemill.domain.pages.refused import Refusal
from pagemill.domain.pages.trust import PageFinding

# Little ink: of the pixels of a page of text, 2 to 15 in a hundred; of one with a heading alone, 3 in a thousand.
LITTLE_INK = 0.004
_DOUBTFUL = frozenset({Signal.INVENTED, Signal.LITTLE_INK})
_MOST_NEIGHBOURS = 16  # texts of other pages


@dataclass(frozen=True, slots=True)
class _Doubted:
    """An answer that a witness is asked about before it counts."""

    transcript: Transcript
    judgement: Judgement


class PageClimb:
    """One page, from its first request to its result."""

    def __init__(self, rendering: Rendering, evidence: Evidence, max_tokens: int) -> None:
        self.number = rendering.number
        self.evidence = evidence
        self.pictures = [PictureAttempts(rendering, ladder.FIRST, max_tokens)]
        self.tried = {ladder.FIRST.name}
        self.doubted: _Doubted | None = None
        self.asked_for_regions = False
        self.key = object()  # tells it from other pages at the endpoint
        self.watch: Watch | None = None  # of the requests that had begun before its last answer
        self._beside: Texts = {}
        self._rendering = rendering
        self._max_tokens = max_tokens
        self._started = time.monotonic()

    @property
    def picture(self) -> PictureAttempts:
        """The picture that is sent now."""
        return self.pictures[-1]

    @property
    def best(self) -> PictureAttempts | None:
        """The picture with the accepted text of the best score, the first of equals; None if no text was accepted."""
        accepted = [picture for picture in self.pictures if picture.text is not None]
        return max(accepted, key=lambda picture: picture.judgement.score if picture.judgement else 0.0, default=None)

    @property
    def is_plain(self) -> bool:
        """Whether its standard picture is one image: only then are there others, and a witness is asked about it."""
        return not self.pictures[0].is_divided

    @property
    def requests(self) -> int:
        """How often it, or a part of it, was sent."""
        return sum(picture.sends for picture in self.pictures)

    @property
    def is_asked(self) -> bool:
        """Whether nothing more is sent before somebody has thought about the answers."""
        image = self.picture.current
        return self.doubted is not None or image is None or image.rung is None

    def was_beside(self, visit: Visit, neighbours: Neighbours) -> None:
        """Note what was answered while the page was at the endpoint, and follow what had begun by then.

        Args:
            visit: The page's request, which has ended.
            neighbours: All requests that are at the endpoint now.
        """
        self._beside |= visit.texts
        self.evidence = replace(self.evidence, in_flight=tuple(self._beside.values())[-_MOST_NEIGHBOURS:])
        self.watch = neighbours.watch(visit)

    @property
    def may_be_blank(self) -> bool:
        """Whether there is so little ink on it that a witness is asked before it is sent.

        Not where something is damaged: then what is missing may be what stood there.
        """
        ink = self._rendering.inner_ink_share
        return self.is_plain and ink is not None and ink < LITTLE_INK and not self._rendering.objections

    def heard(self, regions: int | None) -> None:
        """Note what a witness found; None: it does not know."""
        self.asked_for_regions, self.evidence = True, replace(self.evidence, regions=regions)

    def proved_blank(self, witness: str) -> PageResult:
        """The result of a page that was not sent, because a witness found nothing on it."""
        return self._blank(witness, [])

    def wants_witness(self, transcript: Transcript, judgement: Judgement) -> bool:
        """Whether there may be no text on the page, and nobody else was asked."""
        if self.asked_for_regions or not self.is_plain:
            return False
        if is_empty(transcript):
            return True
        ink = self.evidence.ink_share
        little = ink is not None and ink < LITTLE_INK
        return little or any(finding.signal in _DOUBTFUL for finding in judgement.findings)

    def doubt(self, transcript: Transcript, judgement: Judgement) -> None:
        """Keep an answer until a witness was asked."""
        self.doubted = _Doubted(transcript, judgement)

    def testify(self, regions: int | None, most_tokens: int) -> None:
        """Judge the answer that was kept, with what the witness says.

        Args:
            regions: Of text that it found; None: it does not know.
            most_tokens: The longest answer that the context allows.
        """
        assert self.doubted  # noqa: S101 -- for mypy
        doubted, self.doubted = self.doubted, None
        self.heard(regions)
        judgement = judge(doubted.transcript, self.evidence) if regions is not None else doubted.judgement
        self.add(doubted.transcript, judgement, most_tokens)

    def add(self, transcript: Transcript, judgement: Judgement, most_tokens: int) -> None:
        """Note an answer for the image that was sent."""
        image = self.picture.current
        assert image  # noqa: S101 -- for mypy
        assert image.rung  # noqa: S101 -- for mypy
        self.tried.add(image.rung.name)
        image.add(Attempt(image.rung, image.max_tokens, transcript, judgement), most_tokens)

    @property
    def is_refused(self) -> bool:
        """Whether an answer was refused: then the model, not the endpoint, fails on the page."""
        return bool(self._hard())

    @property
    def is_found_empty(self) -> bool:
        """Whether a witness found nothing on the page, and the model nothing either, or made something up.

        Where something is damaged, what is missing may be what stood there.
        """
        refused = bool(self._hard(Signal.INVENTED, Signal.EMPTY))
        return self.evidence.regions == 0 and refused and not self._rendering.objections

    def next_pictures(self, *, can_turn: bool) -> Iterator[Rung]:
        """The rungs with other pictures that are left, in order."""
        if not self.is_plain:
            return
        signals = {finding.signal for finding in self._hard()}
        for rung in ladder.pictures(signals, self.tried, requests=self.requests):
            if can_turn or not rung.turned:
                yield rung

    def begin(self, rendering: Rendering, rung: Rung) -> bool:
        """Take another picture to be sent; False if it shows no more than the standard one."""
        self.tried.add(rung.name)
        standard = self._rendering
        larger = (rendering.dpi or 0.0) > (standard.dpi or 0.0)
        other = rung.turned or (len(rendering.pieces) > 1 if rung is ladder.HALVES else rendering.png and larger)
        if not other:
            return False
        self.pictures.append(PictureAttempts(rendering, rung, self._max_tokens))
        return True

    def refusals(self) -> list[Refusal]:
        """All refused transcripts, in order."""
        found = []
        for picture in self.pictures:
            found += [_refusal(each) for each in picture.attempts if each.judgement.refused]
            if picture.is_divided and picture.judgement and picture.judgement.refused:
                tokens = max(each.max_tokens for each in picture.attempts)
                whole = Transcript(picture.judgement.text, "stop", 0, 0, 0.0)
                found.append(_refusal(Attempt(picture.rung, tokens, whole, picture.judgement)))
        return found

    def read(self, best: PictureAttempts) -> PageResult:
        """The result of a page with an accepted text."""
        judgement = best.judgement
        assert judgement  # noqa: S101 -- for mypy
        result = self._result(Status.OK, judgement.findings, best)
        return replace(result, markdown=judgement.text, score=judgement.score)

    def blank(self, witness: str) -> PageResult:
        """The result of a page that a witness found empty. If there was a text, it was invented."""
        return self._blank(witness, self._hard(Signal.INVENTED))

    def refused(self) -> PageResult:
        """The result of a page of which nothing is left to try: its own text layer, if it has a usable one."""
        result = self._result(Status.FALLBACK if self.evidence.layer else Status.FAILED, self._hard())
        return replace(result, markdown=self.evidence.layer)

    def failed(self) -> PageResult:
        """The result of a page that the endpoint fails on."""
        result = self._result(Status.FAILED, self._hard())
        return replace(result, objections=(*result.objections, *self.picture.failures()))

    def _blank(self, witness: str, findings: list[Finding]) -> PageResult:
        result = self._result(Status.BLANK, findings)
        proof = f"blank by the witness {witness}: no text and no stroke, nothing but paper and what scanners leave"
        return replace(result, objections=(*result.objections, proof))

    def _hard(self, *signals: Signal) -> list[Finding]:
        """The findings for which transcripts were refused, each signal once."""
        judgements = [each.judgement for picture in self.pictures for each in picture.attempts]
        judgements += [picture.judgement for picture in self.pictures if picture.is_divided and picture.judgement]
        found = {finding.signal: finding for each in judgements for finding in each.findings if finding.hard}
        return [finding for finding in found.values() if not signals or finding.signal in signals]

    def _result(
        self, status: Status, findings: tuple[Finding, ...] | list[Finding], best: PictureAttempts | None = None
    ) -> PageResult:
        said = [line for picture in self.pictures for line in _named(picture, picture.refusals_said())]
        images = [image for picture in self.pictures for image in picture.images]
        return PageResult(
            self.number,
            status,
            objections=(*self._rendering.objections, *said, *(best.doubts_said() if best else ())),
            attempts=self.requests,
            prompt_tokens=sum(image.prompt_tokens for image in images),
            completion_tokens=sum(image.completion_tokens for image in images),
            seconds=round(time.monotonic() - self._started, 3),
            dpi=self._rendering.dpi,
            findings=tuple(PageFinding(finding.signal, finding.measure) for finding in findings),
        )


def _refusal(attempt: Attempt) -> Refusal:
    hard = [finding for finding in attempt.judgement.findings if finding.hard]
    return Refusal(
        attempt.rung.name,
        tuple(finding.signal for finding in hard),
        "; ".join(finding.words for finding in hard),
        attempt.judgement.score,
        attempt.max_tokens,
        attempt.transcript.markdown,
    )


def _named(picture: PictureAttempts, lines: list[str]) -> list[str]:
    """What was said of a picture; of another one than the standard one, with its name."""
    return lines if picture.rung is ladder.FIRST else [f"{picture.rung.name}: {line}" for line in lines]
