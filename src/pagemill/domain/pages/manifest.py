"""The manifest of a document: what was read, with which recipe, and the status of each page."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field

from pagemill.domain.judging.findings import SUSPECT_BELOW
from pagemill.domain.pages import strict_json, trust
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status
from pagemill.domain.pages.planning import MOST_PAGES, format_pages, read_numbers
from pagemill.domain.pages.strict_json import JsonObject
from pagemill.domain.pages.trust import Trust
from pagemill.domain.wording import encodable

SCHEMA = 1
TEXTS = ("document.md", "pages.jsonl")  # beside the manifest


@dataclass(frozen=True, slots=True)
class PublishedText:
    """Size and digest of a text beside the manifest."""

    size_bytes: int
    sha256: str


@dataclass(slots=True)
class Tally:
    """Sums over page results. It holds no text: memory grows by a few numbers a page."""

    pages: dict[Status, list[int]] = field(default_factory=lambda: {status: [] for status in Status})
    failures: dict[int, str] = field(default_factory=dict)
    scored: dict[int, Trust] = field(default_factory=dict)  # `ok` pages with a score below 1
    prompt_tokens: int = 0
    completion_tokens: int = 0
    page_seconds: float = 0.0

    def add(self, result: PageResult) -> None:
        """Add a page."""
        self.pages[result.status].append(result.number)
        if result.status is Status.FAILED:
            self.failures[result.number] = "; ".join(result.objections)
        if result.trust and result.trust.score < 1:
            self.scored[result.number] = result.trust
        self.prompt_tokens += result.prompt_tokens
        self.completion_tokens += result.completion_tokens
        self.page_seconds += result.seconds

    def counts(self) -> Counter[Status]:
        """The number of pages of each status."""
        return Counter({status: len(numbers) for status, numbers in self.pages.items()})


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `manifest.json`: what became of the document in the last run that had something to say of it."""

    document: Document
    recipe: Recipe
    page_count: int  # of the PDF; fewer may have been selected
    tally: Tally
    cost_usd: float
    finished_at: dt.datetime  # UTC
    error: str = ""  # why no page of the document could be read
    findings: tuple[str, ...] = ()  # what is wrong with the document as a whole, or not read
    texts: Mapping[str, PublishedText] = field(default_factory=dict)  # by name; none if no page could be read
    min_score: float = SUSPECT_BELOW  # an `ok` page with a lower score is a suspect
    witness: str = ""  # who could be asked about pages with little on them; empty: nobody

    @property
    def complete(self) -> bool:
        """Whether every page of the PDF has a result that is not `failed`."""
        pages = self.tally.counts()
        return not self.error and pages.total() - pages[Status.FAILED] == self.page_count > 0

    def to_json(self) -> str:
        """The manifest as JSON."""
        body = {
            "schema": SCHEMA,
            "document": {
                "key": self.document.key,
                "source": self.document.source or None,
                "version": self.document.version,
                "size_bytes": self.document.size_bytes,
                "page_count": self.page_count,
            },
            "recipe": {"id": self.recipe.id} | self.recipe.as_dict(),
            "error": encodable(self.error) or None,
            "complete": self.complete,
            "findings": [encodable(finding) for finding in self.findings],
            "pages": self.tally.counts().total(),
            "statuses": {status.value: count for status, count in self.tally.counts().items()},
            "page_numbers": {status.value: format_pages(numbers) for status, numbers in self.tally.pages.items()},
            "failures": [{"page": page, "reason": reason} for page, reason in sorted(self.tally.failures.items())],
            "witness": self.witness or None,
            "min_score": self.min_score,
            "suspects": format_pages(trust.suspects(self.tally.scored, below=self.min_score)),
            "scores": trust.as_json(self.tally.scored),
            "texts": {name: asdict(text) for name, text in self.texts.items()},
            "prompt_tokens": self.tally.prompt_tokens,
            "completion_tokens": self.tally.completion_tokens,
            "page_seconds": round(self.tally.page_seconds, 3),
            "cost_usd": round(self.cost_usd, 6),
            "finished_at": self.finished_at.astimezone(dt.UTC).isoformat(timespec="seconds"),
        }
        return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class PriorManifest:
    """The part of an earlier run's manifest that the next run needs."""

    version: str
    recipe_id: str
    page_count: int
    pages: Mapping[Status, frozenset[int]]
    findings: tuple[str, ...]
    sizes: Mapping[str, int]  # of its texts, in bytes; empty in manifests of earlier versions of pagemill
    source: str = ""  # empty in manifests of earlier versions of pagemill
    scored: Mapping[int, Trust] = field(default_factory=dict)  # `ok` pages with a score below 1; the same
    digests: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of its texts; the same

    def is_of_another(self, document: Document) -> bool:
        """Whether the manifest is of another document, which has the same key below another source.

        A local file with the same bytes is the same document: its folder was moved or copied. Generations of objects
        prove nothing about other objects. A manifest without a source is accepted.
        """
        if not self.source or not document.source or self.source == document.source:
            return False
        return self.version != document.version or not document.source.startswith("file:")

    def covers(self, document: Document, recipe: Recipe, selection: Collection[int]) -> bool:
        """Whether all selected pages have a result. A failed page has none: the next run tries it again."""
        unchanged = self.version == document.version and self.recipe_id == recipe.id
        finished = frozenset().union(*(pages for status, pages in self.pages.items() if status is not Status.FAILED))
        return unchanged and finished.issuperset(selection)

    def describes(self, sizes: Mapping[str, int]) -> bool:
        """Whether its texts are there, each of the size that it had. Where the size is unknown, it must not be empty.

        Args:
            sizes: The objects beside the manifest, by name, in bytes.
        """
        found = {name: sizes.get(name, 0) for name in TEXTS}
        return all(found.values()) and found == {**found, **self.sizes}

    def has_texts(self, texts: Mapping[str, PublishedText]) -> bool:
        """Whether its texts are these. If it does not say what they are, they are believed to be."""
        return not self.digests or self.digests == {name: text.sha256 for name, text in texts.items()}

    def counts(self, selection: Collection[int]) -> Counter[Status]:
        """The number of selected pages of each status."""
        return Counter({status: len(pages.intersection(selection)) for status, pages in self.pages.items()})


def read_prior_manifest(text: bytes) -> PriorManifest | None:
    """Parse a manifest; None if it is damaged, has another schema, or its document could not be read."""
    try:
        body = strict_json.parse(text)
        if body.count("schema") != SCHEMA or body.text_or_none("error"):
            return None
        return _read_prior_manifest(body)
    except ValueError:
        return None


def is_damaged(text: bytes) -> bool:
    """Whether a manifest is damaged or has another schema. One that says why its document could not be read is not."""
    try:
        body = strict_json.parse(text)
        if body.count("schema") == SCHEMA and body.text_or_none("error"):
            return False
        return read_prior_manifest(text) is None
    except ValueError:
        return True


def _read_prior_manifest(body: JsonObject) -> PriorManifest:
    document, numbers = body.object("document"), body.object("page_numbers")
    page_count = document.count("page_count", least=1, most=MOST_PAGES)
    pages = {status: frozenset(read_numbers(numbers.text(status.value), most=page_count)) for status in Status}
    if not body.count("pages") == sum(map(len, pages.values())) == len(frozenset().union(*pages.values())):
        raise ValueError("a page has no status, or more than one")
    texts = body.object("texts") if "texts" in body.names else JsonObject({})
    return PriorManifest(
        version=document.text("version"),
        recipe_id=body.object("recipe").text("id"),
        page_count=page_count,
        pages=pages,
        findings=body.texts("findings") if "findings" in body.names else (),
        sizes={name: texts.object(name).count("size_bytes") for name in texts.names},
        digests={name: texts.object(name).text("sha256") for name in texts.names},
        source=(document.text_or_none("source") or "") if "source" in document.names else "",
        scored=trust.from_json(body.objects("scores")) if "scores" in body.names else {},
    )
