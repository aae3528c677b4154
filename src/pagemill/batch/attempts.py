"""One picture of a page while it is sent: its images, what was answered, and the failures that they may have caused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pagemill.domain.judging import ladder
from pagemill.domain.judging.findings import Judgement
from pagemill.domain.judging.judge import Evidence, judge
from pagemill.domain.judging.ladder import Rung
from pagemill.domain.pages.joining import PieceText, join
from pagemill.domain.pages.model import Piece, Rendering, Transcript
from pagemill.domain.wording import counted
from pagemill.errors import EndpointUnavailable

_SUSPECT_AFTER = 3  # failures that the image may have caused; from then on it is sent alone
_GIVE_UP_AFTER = 5  # such failures, if the endpoint then reads another image
_EXCUSED_AFTER = 2  # failures on the other image in a row; one may be chance


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answer of the model, judged."""

    rung: Rung
    max_tokens: int
    transcript: Transcript
    judgement: Judgement


class ImageAttempts:
    """One image, the page or a piece of it: the attempts to read it so far."""

    def __init__(self, piece: Piece, rung: Rung, max_tokens: int) -> None:
        self.png = piece.png
        self.overlap = piece.overlap
        self.may_be_empty = piece.may_be_empty
        self.rung: Rung | None = rung  # what to send it with; None: nothing is left to try with this image
        self.max_tokens = max_tokens
        self.text: str | None = None  # None: not read yet
        self.attempts: list[Attempt] = []
        self.sends = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.objections: list[str] = []
        self._suspicious_failures = 0
        self._excuses = 0
        self._troubles: Counter[str] = Counter()

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

    def give_up(self, *reasons: str) -> None:
        """Note why the image is not sent again."""
        self.objections += reasons
        self.rung = None

    def failures(self) -> list[str]:
        """The failures of the endpoint that the image may have caused."""
        return [f"{trouble} ({counted(times, 'time')})" for trouble, times in self._troubles.items()]

    def add(self, attempt: Attempt, most_tokens: int) -> None:
        """Note an answer. If it is refused, the first one is followed by a second; later ones are not.

        Args:
            attempt: The answer, judged.
            most_tokens: The longest answer that the context allows.
        """
        self.attempts.append(attempt)
        self.prompt_tokens += attempt.transcript.prompt_tokens
        self.completion_tokens += attempt.transcript.completion_tokens
        judgement = attempt.judgement
        if not judgement.refused:
            self.text, self.rung = judgement.text, None
            return
        self.objections += [finding.words for finding in judgement.findings if finding.hard]
        if attempt.rung is not ladder.FIRST:
            self.rung = None
            return
        self.rung = ladder.second(
            judgement.findings,
            finish_reason=attempt.transcript.finish_reason,
            may_be_longer=most_tokens > attempt.max_tokens,
        )
        if self.rung.more_tokens:
            self.max_tokens = most_tokens


class PictureAttempts:
    """A picture of a page that is sent: one image, or its pieces one after the other."""

    def __init__(self, rendering: Rendering, rung: Rung, max_tokens: int) -> None:
        pieces = rendering.pieces or (Piece(rendering.png or b"", may_be_empty=False),)
        self.rendering = rendering
        self.rung = rung
        self.images = tuple(ImageAttempts(piece, rung, max_tokens) for piece in pieces)
        self.doubts: tuple[str, ...] = ()  # of joining the pieces
        self.judgement: Judgement | None = None  # of the whole text; None: there is none yet, or it is not judged yet

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

    @property
    def attempts(self) -> list[Attempt]:
        """All answers, of all its images."""
        return [attempt for image in self.images for attempt in image.attempts]

    @property
    def sends(self) -> int:
        """How often its images were sent."""
        return sum(image.sends for image in self.images)

    @property
    def text(self) -> str | None:
        """The text that was accepted; None if there is none."""
        return self.judgement.text if self.judgement and not self.judgement.refused else None

    def finish(self, evidence: Evidence) -> None:
        """Join the texts of the pieces, and judge the whole; a page that no image has text of is not judged.

        Args:
            evidence: Of the whole page.
        """
        if not any(image.text for image in self.images):
            return
        if not self.is_divided:
            self.judgement = self.images[0].attempts[-1].judgement
            return
        text, self.doubts = join([PieceText(image.text or "", image.overlap) for image in self.images])
        self.judgement = judge(Transcript(text, "stop", 0, 0, 0.0), evidence)

    def refusals_said(self) -> list[str]:
        """Why answers were refused, or images not read."""
        said = [line for image in self.images for line in self._named(image, image.objections)]
        if self.is_divided and self.judgement:
            said += [finding.words for finding in self.judgement.findings if finding.hard]
        return said

    def doubts_said(self) -> list[str]:
        """What may be wrong with the text that was accepted."""
        found = self.judgement.findings if self.judgement else ()
        return [*self.doubts, *(finding.words for finding in found if not finding.hard)]

    def failures(self) -> list[str]:
        """The failures of the endpoint on the image that could not be read."""
        return self._named(self.current, self.current.failures()) if self.current else []

    def _named(self, image: ImageAttempts, lines: list[str]) -> list[str]:
        if not self.is_divided:
            return lines
        return [f"piece {self.images.index(image) + 1} of {len(self.images)}: {line}" for line in lines]
