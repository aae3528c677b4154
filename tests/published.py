"""Results of a run, as a run publishes them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence

from pagemill.domain.pages import keys
from pagemill.domain.pages.assembly import to_json
from pagemill.domain.pages.manifest import Manifest, PublishedText, Tally
from pagemill.domain.pages.model import Document, PageResult, Recipe
from pagemill.ports import ObjectStore


def publish(
    store: ObjectStore, key: str, pages: Sequence[PageResult], *, page_count: int | None = None, error: str = ""
) -> None:
    """Write `pages.jsonl` and the manifest of a document; with an error, the manifest alone.

    Args:
        store: The destination of the run.
        key: The document's.
        pages: Their results.
        page_count: Pages of the document; None: as many as there are results.
        error: Why it could not be opened.
    """
    tally = Tally()
    for page in pages:
        tally.add(page)
    lines = "".join(map(to_json, pages)).encode()
    manifest = Manifest(
        document=Document(key, "version", 1000),
        recipe=Recipe("model"),
        page_count=len(pages) if page_count is None else page_count,
        tally=tally,
        cost_usd=0.002 * len(pages),
        finished_at=dt.datetime(2031, 3, 4, tzinfo=dt.UTC),
        error=error,
        texts={} if error else {"pages.jsonl": PublishedText(len(lines), hashlib.sha256(lines).hexdigest())},
    )
    if not error:
        store.write(keys.pages_jsonl(key), lines, content_type="application/jsonl")
    store.write(keys.manifest(key), manifest.to_json().encode(), content_type="application/json")
