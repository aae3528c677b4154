"""A model that loops, cuts off, answers nothing, invents and mixes up pages, by a seeded schedule. It knows the truth.

The pages are those of `FakeRasterizer`. Some defects pass with another sampling, some with another picture, some never.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tests.fakes.ocr_endpoint import Answer, Request, image_name

_WORDS = (
    "harbour ledger window orchard copper winter margin ferry candle saddle timber velvet anchor barley cellar dairy "
    "engine fabric garden hammer island jacket kettle ladder meadow needle oyster parish quarry ribbon satchel tavern"
).split()
_MARK = ("alder", "birch", "cedar", "maple", "hazel", "larch", "aspen", "rowan", "holly", "elder")


class Defect(StrEnum):
    """What is wrong with the answer to a page."""

    LOOP = "loop"
    LOOP_CUT_OFF = "loop that is cut off"
    CUT_OFF = "cut off"
    EMPTY = "empty"
    INVENTED = "invented"  # on a page without text
    OTHER_PAGE = "text of another page"  # that is at the endpoint at the time
    MIXED_UP = "the end of another page"  # behind its own text


class Cure(StrEnum):
    """What makes the answer right."""

    SAMPLING = "sampling"
    PICTURE = "picture"
    NOTHING = "nothing"


@dataclass(frozen=True)
class TruePage:
    """A page with what the model does with it."""

    document: str
    number: int
    text: str  # empty: there is none on the page
    defect: Defect | None
    cure: Cure
    has_layer: bool

    @property
    def name(self) -> str:
        """What `FakeRasterizer` calls its image."""
        return f"{self.document} {self.number}"


class DoubtfulModel:
    """All pages, and the answers to them."""

    def __init__(
        self,
        seed: int,
        documents: Iterable[tuple[str, int]],
        *,
        defects: float,
        of: Iterable[Defect] = Defect,
        latency_seconds: float = 0.02,
    ) -> None:
        """Decide about each page.

        Args:
            seed: Of the schedule.
            documents: Names and numbers of pages.
            defects: Share of the pages with a defect.
            of: The defects.
            latency_seconds: How long a page takes at the endpoint.
        """
        self._rng = random.Random(seed)  # noqa: S311 -- a schedule, no secret
        self._kinds = list(of)
        pages = [(name, number) for name, count in documents for number in range(1, count + 1)]
        chosen = set(self._rng.sample(range(len(pages)), round(defects * len(pages))))
        self.pages = [self._page(name, number, place in chosen) for place, (name, number) in enumerate(pages)]
        self._by_image = {
            image_name(f"{page.name}{picture}".encode()): (page, picture)
            for page in self.pages
            for picture in ("", " x1.5", " x2 piece 1", " x2 piece 2")
        }
        self._latest: deque[tuple[float, TruePage]] = deque(maxlen=8)
        self._given: list[TruePage] = []  # pages whose text another one got: each once
        self._seconds = latency_seconds
        self.mixed_up: list[str] = []  # pages that got text of another one
        self.empty = {image_name(page.name.encode()): 0 for page in self.pages if not page.text}

    def content_of(self, document: str) -> str:
        """A document as `FakeRasterizer` reads it."""
        pages = [page for page in self.pages if page.document == document]
        layers = [f"layer={page.number}:{'_'.join(page.text.split())}" for page in pages if page.has_layer]
        ink = [f"ink={page.number}:{0.05 if page.text else 0.0003}" for page in pages]
        return " ".join([str(len(pages)), *layers, *ink])

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        page, picture = self._by_image[request.image]
        self._latest.append((time.monotonic(), page))
        resampled = request.body["temperature"] != 0.2 or request.body["max_tokens"] != 4096
        cured = (page.cure is Cure.SAMPLING and resampled) or (page.cure is Cure.PICTURE and picture)
        if page.defect is None or cured:
            return Answer(text=_half(page.text, picture))
        if page.defect in {Defect.OTHER_PAGE, Defect.MIXED_UP}:
            return self._mixed_up(page)
        return self._wrong(page.defect, page.text)

    def _mixed_up(self, page: TruePage) -> Answer:
        """The text of another page that is still at the endpoint; the right text if there is none."""
        now = time.monotonic()
        others = [other for since, other in self._latest if now - since < self._seconds / 2 and other.text]
        others = [other for other in others if other is not page and other.defect is None and other not in self._given]
        if not others:
            return Answer(text=page.text)
        self.mixed_up.append(page.name)
        self._given.append(others[-1])
        own = page.text if page.defect is Defect.MIXED_UP else ""
        return Answer(text=f"{own}\n\n{others[-1].text}")

    def _page(self, document: str, number: int, defective: bool) -> TruePage:  # noqa: FBT001 -- of this module
        defect = self._rng.choice(self._kinds) if defective else None
        cure = self._rng.choices(list(Cure), weights=[4, 3, 3])[0]
        text = "" if defect is Defect.INVENTED else self._text(f"{document} {number}")
        return TruePage(document, number, text, defect, cure, bool(text) and self._rng.random() < 1 / 2)

    def _text(self, name: str) -> str:
        """150 words that stand on no other page."""
        mark = "".join(_MARK[ord(character) % 10] for character in name[-3:])
        return " ".join(f"{self._rng.choice(_WORDS)} {self._rng.choice(_WORDS)} {mark}" for _ in range(50))

    def _wrong(self, defect: Defect, text: str) -> Answer:
        beginning = " ".join(text.split()[: self._rng.randint(5, 40)])
        if defect is Defect.CUT_OFF:
            return Answer(text=beginning, finish_reason="length")
        if defect is Defect.EMPTY:
            return Answer(text=self._rng.choice(["", "\n", "  "]))
        if defect is Defect.INVENTED:
            return Answer(text=f"Chapter {self._rng.randint(1, 9)}. {self._text('invented')}")
        pattern = " ".join(self._rng.choice(_WORDS) for _ in range(self._rng.choice([1, 2, 7, 30, 150])))
        loop = f"{beginning} {f'{pattern} ' * max(6, 200 // len(pattern.split()))}"
        return Answer(text=loop, finish_reason="length" if defect is Defect.LOOP_CUT_OFF else "stop")


def _half(text: str, picture: str) -> str:
    """What a picture shows of a page: all of it, or one of two halves that share some lines."""
    words = text.split()
    if picture.endswith("piece 1"):
        return " ".join(words[:83])
    return " ".join(words[67:]) if picture.endswith("piece 2") else text


def invented_page(seed: int) -> str:
    """A page of text that stands nowhere: 1,800 characters."""
    rng = random.Random(seed)  # noqa: S311 -- no secret
    return "\n\n".join(" ".join(rng.choices(_WORDS, k=50)).capitalize() + "." for _ in range(5))
