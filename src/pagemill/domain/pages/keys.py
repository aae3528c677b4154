"""The only module that knows where things are written below the destination.

Names of documents come from buckets and archives, and are hostile until proven otherwise: what is written is always a
relative path of harmless segments, and two different documents never share one.
"""

from __future__ import annotations

import hashlib
import itertools
import re

from pagemill.domain.pages.model import Document, Recipe

# `%` itself is encoded, so that no encoded name can collide with a name that was never encoded.
_HARMFUL = re.compile(r"[\x00-\x1f\x7f%\\]")
_OURS = re.compile(r"_runs|document\.md|pages\.jsonl|manifest\.json|[0-9a-f]{12}-[0-9a-f]{12}", re.IGNORECASE)
_LONGEST_SEGMENT_BYTES = 200  # file systems end at 255; temporary names need some of it
_LONGEST_FOLDER_BYTES = 700  # names of objects end at 1,024; the destination's prefix and a checkpoint's name need some


def document_folder(document_key: str) -> str:
    """The folder of everything about one source document."""
    segments = [_harmless(segment) for segment in document_key.split("/")]
    if len("/".join(segments).encode()) <= _LONGEST_FOLDER_BYTES:
        return "/".join(segments)
    mark = _mark(document_key)
    ends = itertools.accumulate(len(segment.encode()) + 1 for segment in segments)
    kept = [segment for segment, end in zip(segments, ends, strict=True) if end + len(mark) <= _LONGEST_FOLDER_BYTES]
    return "/".join([*kept, mark])


def markdown(document_key: str) -> str:
    """The pages joined."""
    return f"{document_folder(document_key)}/document.md"


def pages_jsonl(document_key: str) -> str:
    """One page result a line."""
    return f"{document_folder(document_key)}/pages.jsonl"


def manifest(document_key: str) -> str:
    """Written last: where it lies, the document is complete."""
    return f"{document_folder(document_key)}/manifest.json"


def fingerprint(document: Document, recipe: Recipe) -> str:
    """Names one version of a document read by one recipe: `<12 hex of the version>-<recipe id>`."""
    return f"{hashlib.sha256(document.version.encode()).hexdigest()[:12]}-{recipe.id}"


def checkpoints(document: Document, recipe: Recipe) -> str:
    """The prefix of a document's checkpoints, one object a page."""
    return f"{document_folder(document.key)}/pages/{fingerprint(document, recipe)}/"


def checkpoint(document: Document, recipe: Recipe, number: int) -> str:
    """The checkpoint of one page; zero-padded, so that key order is page order up to 99,999 pages."""
    return f"{checkpoints(document, recipe)}{number:05d}.json"


def checkpoint_number(key: str) -> int | None:
    """The page number of a checkpoint's key, or None for anything else."""
    match = re.fullmatch(r".*/(\d{5,})\.json", key, re.DOTALL)
    return int(match[1]) if match else None


def run_summary(run_id: str) -> str:
    """What one run did."""
    return f"_runs/{run_id}/summary.json"


def shard_id(run_id: str, shard: int) -> str:
    """Names one of the runs, counted from 1, that read for a run; it has a summary as any run has."""
    return f"{run_id}/shards/{shard:03d}"


def shard_plan(run_id: str, shard: int) -> str:
    """What a shard is to do."""
    return f"_runs/{shard_id(run_id, shard)}/plan.json"


def failures(shard_id: str) -> str:
    """What a shard found out about pages that it could not read, of documents that others publish."""
    return f"_runs/{shard_id}/failed.jsonl"


def _harmless(segment: str) -> str:
    if segment == "":
        return "%2F"  # `a//b`: an empty segment, which no file system keeps
    encoded = _HARMFUL.sub(lambda match: f"%{ord(match[0]):02X}", segment)
    if set(encoded) == {"."}:
        encoded = encoded.replace(".", "%2E")
    if _OURS.fullmatch(encoded):  # else `a.pdf/document.md/b.pdf` would lie where the text of `a.pdf` is
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded.encode()) > _LONGEST_SEGMENT_BYTES:
        mark = _mark(segment)
        kept = encoded.encode()[: _LONGEST_SEGMENT_BYTES - len(mark)].decode(errors="ignore")
        return f"{kept}{mark}"
    return encoded


def _mark(name: str) -> str:
    """Stands for what is cut off a name; nothing else is written like it."""
    return f"%~{hashlib.sha256(name.encode()).hexdigest()[:12]}"
