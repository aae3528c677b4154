"""What a finished run says of a document: its manifest and its page results, of this version or an earlier one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pagemill.domain.pages import strict_json
from pagemill.domain.pages.manifest import SCHEMA
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.planning import MOST_PAGES
from pagemill.domain.pages.strict_json import JsonObject


@dataclass(frozen=True, slots=True)
class ReadPage:
    """One page result, as far as it is evaluated."""

    number: int
    status: Status
    markdown: str
    score: float | None = None  # None: the page was not judged, or by a version that gave no scores


@dataclass(frozen=True, slots=True)
class DocumentRecord:
    """The part of a manifest that is evaluated."""

    key: str
    page_count: int  # 0: the document could not be opened
    error: str
    texts: bool  # whether there are page results
    sha256: str  # of `pages.jsonl`; empty in manifests of version 0.1
    pages: int  # with a result
    seconds: float  # the sum over the pages, each from the first send to the last answer
    cost_usd: float


def read_record(data: bytes) -> DocumentRecord:
    """Parse a `manifest.json`.

    Raises:
        ValueError: It is damaged, or of a version that this one does not know.
    """
    body = strict_json.parse(data)
    if body.count("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    document, error = body.object("document"), body.text_or_none("error") or ""
    texts = body.object("texts") if "texts" in body.names else JsonObject({})
    described = "pages.jsonl" in texts.names
    return DocumentRecord(
        key=document.text("key"),
        page_count=document.count("page_count", most=MOST_PAGES),
        error=error,
        texts=described or not error,
        sha256=texts.object("pages.jsonl").text("sha256") if described else "",
        pages=body.count("pages"),
        seconds=body.amount("page_seconds"),
        cost_usd=body.amount("cost_usd"),
    )


def read_pages(data: bytes, record: DocumentRecord) -> list[ReadPage]:
    """Parse a `pages.jsonl`.

    Raises:
        ValueError: It is damaged, or not the one that the manifest describes.
    """
    if record.sha256 and hashlib.sha256(data).hexdigest() != record.sha256:
        raise ValueError("it is not the one that its manifest describes; run pagemill again")
    pages = list(_pages(data))
    if len({page.number for page in pages}) != len(pages):
        raise ValueError("it has a page twice")
    return pages


def _pages(data: bytes) -> Iterator[ReadPage]:
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        body = strict_json.parse(line)
        score = body.amount_or_none("score") if "score" in body.names else None
        if score is not None and score > 1:
            raise ValueError("a score is above 1")
        yield ReadPage(
            number=body.count("number", least=1, most=MOST_PAGES),
            status=Status(body.text("status")),
            markdown=body.text("markdown"),
            score=score,
        )
