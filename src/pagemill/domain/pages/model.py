"""The values that all other parts exchange. They are frozen: a value never changes after it was passed on."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from pagemill.domain.pages.trust import PageFinding, Trust
from pagemill.domain.wording import counted, encodable

# Characters of a text layer that is compared with a transcript; more is no page's, and takes too long to compare.
LONGEST_LAYER = 2**16

_SURROGATES = re.compile("[\ud800-\udfff]")


class Status(StrEnum):
    """The result of a page. Each page has exactly one status: pages in = sum over statuses."""

    OK = "ok"
    BLANK = "blank"  # no ink, and not sent; or found empty, and the text was invented
    TEXT_LAYER = "text_layer"  # the embedded text, because the mode says so
    FALLBACK = "fallback"  # all texts of the model were refused; the embedded text instead
    FAILED = "failed"


class Mode(StrEnum):
    """Which pages are sent to the model."""

    AUTO = "auto"  # every page with ink on it
    FORCE = "force"  # every page, even one that looks blank
    TEXT = "text"  # only pages without a usable text layer


@dataclass(frozen=True, slots=True)
class Document:
    """A PDF as its source describes it, before it is opened."""

    key: str  # its path below the source, with forward slashes
    version: str  # changes when the bytes change: a GCS generation, or the SHA-256 of a local file
    size_bytes: int
    location: str = field(default="", compare=False)  # the path or object from which its source reads it
    stamp: str = field(default="", compare=False)  # its source's note of the file that has this version
    source: str = field(default="", compare=False)  # whole name: gs://bucket/object, or a file: URL without a host
    copy_bytes: int = field(default=0, compare=False)  # temporary space for a local copy, at most; 0: it needs none


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """An entry of the source that is not read, with the reason."""

    key: str
    reason: str
    has_folder: bool = True  # False: the key is no document's, or another document's; no manifest may say so there
    shared_cause: str = ""  # trouble that is perhaps the source's, in words that name no entry; empty: the entry's own
    failed: bool = True  # False: nothing is missing from the results, and the reason is a finding


@dataclass(frozen=True, slots=True)
class CountedPdf:
    """A PDF whose pages have been counted."""

    path: Path  # what its pages are rendered from: the document itself, or a repaired copy
    pages: int  # at least 1
    findings: tuple[str, ...] = ()  # what is wrong with the document as a whole, or not read


@dataclass(frozen=True, slots=True)
class Picture:
    """Another picture of a page than the standard one. The model's longest edge bounds it like any other."""

    magnification: float = 1.0  # times the standard scale; where the bound leaves less room, less
    halves: bool = False  # an upper and a lower half, which overlap; a page that is cut into pieces anyway stays so
    turned: int = 0  # degrees clockwise: 0, 90, 180 or 270

    def __post_init__(self) -> None:
        """Refuse what cannot be rendered."""
        if self.turned not in {0, 90, 180, 270}:
            raise ValueError(f"a page cannot be turned by {self.turned} degrees")
        if not 0 < self.magnification < math.inf:
            raise ValueError(f"a page cannot be magnified {self.magnification:g} times")


STANDARD_PICTURE = Picture()


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a page that is too large for one image."""

    png: bytes
    overlap: float = 0.0  # share of its height that the piece before it shows, too
    may_be_empty: bool = True  # False: it is known to hold some text


@dataclass(frozen=True, slots=True)
class Rendering:
    """One rendered page: an image or pieces, or the embedded text, or the statement that the page is blank."""

    number: int  # 1-based
    width_px: int  # 0: not rendered
    height_px: int
    png: bytes | None  # None: not needed, see `text` and `blank`; or too large, see `pieces`
    blank: bool = False  # no ink on the page
    text: str | None = None  # the text layer, where the mode asks for it and it is usable
    objections: tuple[str, ...] = ()  # what is damaged on the page: it may be `ok` only together with them
    render_seconds: float = 0.0
    inspect_seconds: float = 0.0
    encode_seconds: float = 0.0
    dpi: float | None = None  # on paper; None: not rendered
    ink_share: float | None = None  # of its pixels, those that differ from the paper; None: not measured
    inner_ink_share: float | None = None  # the same without its edges, where scanners leave shadows
    layer: str = ""  # the page's own text, if it can be compared with a transcript; at most `LONGEST_LAYER` characters
    pieces: tuple[Piece, ...] = ()  # row by row, left to right; none where one image is enough


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a page is asked for once more, if not with the recipe's sampling."""

    temperature: float
    ends_loops: bool = False  # the endpoint is asked to end loops early, if it can


@dataclass(frozen=True, slots=True)
class Transcript:
    """A model's answer, verbatim."""

    markdown: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PageResult:
    """The result of one planned page. Each planned page has exactly one.

    Its texts can always be written as UTF-8. A lone surrogate, which an endpoint can send as a JSON escape, is no
    character: in `markdown` it becomes U+FFFD, and `objections` say so.
    """

    number: int  # 1-based
    status: Status
    markdown: str = ""
    objections: tuple[str, ...] = ()  # why the page is not `ok`, or why an earlier answer was refused
    attempts: int = 0  # times the page was sent
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0  # from the first send to the last answer
    dpi: float | None = None  # of the image on paper; None: there was none, or an older version wrote the result
    score: float | None = None  # 0 to 1, how far the model's text is to be trusted; None: it was not judged
    findings: tuple[PageFinding, ...] = ()  # what lowered the score; their words are among the objections

    @property
    def trust(self) -> Trust | None:
        """How far the text of an `ok` page is to be trusted; None for other pages, and for one that was not judged."""
        if self.status is not Status.OK or self.score is None:
            return None
        return Trust(self.score, tuple(finding.signal for finding in self.findings))

    def __post_init__(self) -> None:
        """Replace what is no character."""
        markdown, replaced = _SURROGATES.subn("\N{REPLACEMENT CHARACTER}", self.markdown)
        objections = tuple(map(encodable, self.objections))
        if replaced:
            object.__setattr__(self, "markdown", markdown)
            objections += (f"{counted(replaced, 'surrogate')} in the text, replaced by U+FFFD",)
        if objections != self.objections:
            object.__setattr__(self, "objections", objections)


@dataclass(frozen=True)  # no slots: `id` is cached in the instance
class Recipe:
    """Everything that can change the text of a page."""

    model: str
    model_revision: str = ""
    prompt: str = ""
    mode: Mode = Mode.AUTO
    longest_edge_px: int = 1540
    max_dpi: int = 300
    max_pieces: int = 32
    image_format: str = "png"
    sampling: Mapping[str, float] = field(default_factory=lambda: {"temperature": 0.2, "top_p": 0.9})
    max_tokens: int = 4096
    guard_version: int = 1

    @cached_property
    def id(self) -> str:
        """12 hex digits of the SHA-256 over the recipe's canonical JSON."""
        canonical = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def as_dict(self) -> dict[str, object]:
        """The recipe as JSON-ready values."""
        return asdict(self) | {"sampling": dict(self.sampling)}
