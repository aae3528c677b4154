"""A page while it is sent: its images, what was answered so far, and the failures that it may have caused."""

from __future__ import annotations

import time
from collections import Counter

from pagemill.domain.judging.findings import Judgement
from pagemill.domain.judging.judge import Evidence, judge
from pagemill.domain.pages.joining import PieceText, join
from pagemill.domain.pages.model import PageResult, Piece, Rendering, Status, Transcript
from pagemill.domain.pages.trust import PageFinding
from pagemill.domain.wording import counted
from pagemill.errors import EndpointUnavailable

_SUSPECT_AFTER = 3  # failures that the image may have caused; from then on it is sent alone
_GIVE_UP_AFTER = 5  # such failures, if the endpoint then reads another image
_EXCUSED_AFTER = 2  # failures on the other image in a row; one may be chance
_MOST_ANSWERS = 2  # a second answer is asked for only if the first has a defect


class ImageAttempts:
    """One image, the page or a piece of it: the attempts to read it so far."""

    def __init__(self, piece: Piece, max_tokens: int) -> None:
        self.png = piece.png
        self.overlap = piece.overlap
        self.may_be_empty = piece.may_be_empty
        self.max_tokens = max_tokens
        self.text: str | None = None  # None: not read yet
        self.judgement: Judgement | None = None  # of the text; None: it is empty, and may be
        self.sends = 0
        self.answers = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.objections: list[str] = []
        self._suspicious_failures = 0
        self._excuses = 0
        self._troubles: Counter[str] = Counter()

    @property
    def answered_enough(self) -> bool:
        """Whether no further answer is asked for."""
        return self.answers >= _MOST_ANSWERS

    @property
    def suspect(self) -> bool:
        """Whether to send it alone. Before, a failure counts for every page that is in flight at that moment."""
        return self._suspicious_failures >= _SUSPECT_AFTER

    @property
    def to_be_given_up(self) -> bool:
        """Whether to give it up, provided that the endpoint reads another image."""
        return self._suspicious_failures >= _GIVE_UP_AFTER

    def count_failure(self, trouble: EndpointUnavailable) -> None:
        """Count a failure of the endpoint that the image may have caused."""
        if trouble.page_may_be_the_cause:
            self._suspicious_failures += 1
            self._troubles[str(trouble)] += 1

    def excuse(self) -> None:
        """Note that the endpoint failed on another image, too. The second time, one failure is no longer counted."""
        self._excuses += 1
        if self._excuses == _EXCUSED_AFTER:
            self._suspicious_failures, self._excuses = self._suspicious_failures - 1, 0

    def add(self, transcript: Transcript) -> None:
        """Count an answer."""
        self.answers += 1
        self.prompt_tokens += transcript.prompt_tokens
        self.completion_tokens += transcript.completion_tokens

    def failures(self) -> list[str]:
        """The failures of the endpoint that the image may have caused."""
        return [f"{trouble} ({counted(times, 'time')})" for trouble, times in self._troubles.items()]


class PageAttempts:
    """A page that is sent: one image, or its pieces one after the other."""

    def __init__(self, rendering: Rendering, max_tokens: int) -> None:
        self.number = rendering.number
        self.evidence = Evidence.of(rendering)
        pieces = rendering.pieces or (Piece(rendering.png or b"", may_be_empty=False),)
        self.images = tuple(ImageAttempts(piece, max_tokens) for piece in pieces)
        self._findings = rendering.objections
        self._dpi = rendering.dpi
        self._started = time.monotonic()

    @property
    def size_bytes(self) -> int:
        """Of all images."""
        return sum(len(image.png) for image in self.images)

    @property
    def current(self) -> ImageAttempts | None:
        """The first image that is not read yet; None if all are read."""
        return next((image for image in self.images if image.text is None), None)

    @property
    def is_divided(self) -> bool:
        """Whether it has several pieces."""
        return len(self.images) > 1

    def read(self) -> PageResult:
        """The result of a page of which all images are read. A page without any text has failed."""
        if not any(image.text for image in self.images):
            return self.failed()
        if not self.is_divided:
            return self._result(Status.OK, self.images[0].judgement)
        text, doubts = join([PieceText(image.text or "", image.overlap) for image in self.images])
        judgement = judge(Transcript(text, "stop", 0, 0, 0.0), self.evidence)
        return self._result(Status.FAILED if judgement.refused else Status.OK, judgement, doubts)

    def failed(self) -> PageResult:
        """The result of a page that an image could not be read of. Failures of the endpoint are part of it."""
        image = self.current
        return self._result(Status.FAILED, doubts=tuple(self._named(image, image.failures())) if image else ())

    def _result(self, status: Status, judgement: Judgement | None = None, doubts: tuple[str, ...] = ()) -> PageResult:
        """The result, with the text that was judged and what was found in it."""
        found = judgement.findings if judgement else ()
        accepted = judgement if status is Status.OK else None
        said = [line for image in self.images for line in self._named(image, image.objections)]
        return PageResult(
            self.number,
            status,
            accepted.text if accepted else "",
            objections=(*self._findings, *said, *doubts, *(finding.words for finding in found)),
            attempts=sum(image.sends for image in self.images),
            prompt_tokens=sum(image.prompt_tokens for image in self.images),
            completion_tokens=sum(image.completion_tokens for image in self.images),
            seconds=round(time.monotonic() - self._started, 3),
            dpi=self._dpi,
            score=accepted.score if accepted else None,
            findings=tuple(PageFinding(finding.signal, finding.measure) for finding in found),
        )

    def _named(self, image: ImageAttempts, lines: list[str]) -> list[str]:
        if not self.is_divided:
            return lines
        return [f"piece {self.images.index(image) + 1} of {len(self.images)}: {line}" for line in lines]
