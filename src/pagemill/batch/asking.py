"""Asks the model about the images of a page, and judges each answer."""

from __future__ import annotations

from pagemill.batch.attempts import ImageAttempts
from pagemill.batch.climbing import PageClimb
from pagemill.batch.gate import EndpointGate
from pagemill.batch.neighbours import Neighbours
from pagemill.batch.progress import Progress
from pagemill.domain.judging.judge import is_empty, judge
from pagemill.domain.pages.model import Transcript
from pagemill.errors import EndpointUnavailable, RequestRejected
from pagemill.ports import Recognizer


class Asker:
    """Sends images, each alone if it may be the cause of failures."""

    def __init__(
        self, recognizer: Recognizer, gate: EndpointGate, progress: Progress, *, max_tokens: int, context_tokens: int
    ) -> None:
        """Configure; nothing is sent yet.

        Args:
            recognizer: Reads images.
            gate: Lets requests through to it.
            progress: Counts them.
            max_tokens: The longest first answer.
            context_tokens: The model's window, including the image.
        """
        self._neighbours = Neighbours()
        self._recognizer = recognizer
        self._gate = gate
        self._progress = progress
        self._max_tokens = max_tokens
        self._context_tokens = context_tokens

    async def ask(self, page: PageClimb, *, with_witness: bool) -> None:
        """Ask about the images of the picture, one after the other, until one cannot be read or a witness is wanted.

        Args:
            page: The page; answers are noted in it.
            with_witness: Whether there is a witness, who is asked about doubtful answers before they count.

        Raises:
            EndpointUnavailable: There was no answer.
            GateClosed: The endpoint failed on another page before this one was sent.
        """
        while not page.is_asked:
            image = page.picture.current
            assert image  # noqa: S101 -- for mypy
            await self._ask_once(page, image, with_witness=with_witness)

    async def _ask_once(self, page: PageClimb, image: ImageAttempts, *, with_witness: bool) -> None:
        async with self._gate.passage(alone=image.suspect):
            if image.to_be_given_up:
                await self._verify_endpoint(image)
                image.give_up()
                return
            try:
                transcript = await self._send(page, image)
            except RequestRejected as error:
                image.give_up(str(error))
                return
        judgement = judge(transcript, page.evidence.of_part() if page.picture.is_divided else page.evidence)
        if with_witness and page.wants_witness(transcript, judgement):
            page.doubt(transcript, judgement)
            return
        page.add(transcript, judgement, self.most_tokens(transcript))
        if image.may_be_empty and image.rung is None and is_empty(transcript):
            image.text = ""  # a piece of a drawing, which may show nothing but lines

    async def _verify_endpoint(self, image: ImageAttempts) -> None:
        """Send another image. If the endpoint answers, it works, and the image itself is the cause of its failures."""
        try:
            await self._recognizer.prove()
        except RequestRejected:
            pass  # a 4xx answer still proves that the engine works
        except EndpointUnavailable as trouble:
            image.excuse()
            raise type(trouble)(str(trouble), retry_after_seconds=trouble.retry_after_seconds) from trouble

    def most_tokens(self, transcript: Transcript) -> int:
        """The tokens that the context has left beside the image; unchanged if the endpoint counts no tokens."""
        left = self._context_tokens - transcript.prompt_tokens if transcript.prompt_tokens else 0
        return max(left, self._max_tokens)

    async def _send(self, page: PageClimb, image: ImageAttempts) -> Transcript:
        image.sends += 1
        self._progress.sent()
        sampling = image.rung.sampling if image.rung else None
        with self._neighbours.visit(page.key, image.png) as visit:
            try:
                transcript = await self._recognizer.read(image.png, max_tokens=image.max_tokens, sampling=sampling)
            finally:
                self._progress.answered()
            visit.text = transcript.markdown
        page.was_beside(visit, self._neighbours)
        return transcript
