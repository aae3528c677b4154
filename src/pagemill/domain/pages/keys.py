"""The only module that knows the keys of objects below the destination.

Document names come from buckets and archives and may be hostile. A key is always a relative path of harmless segments,
and two different documents never share a key.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import re
import unicodedata

from pagemill.domain.pages.model import Document, Recipe

# `%` itself is encoded, too: an encoded name can never be equal to a name that was not encoded.
_HARMFUL = re.compile(r"[\x00-\x1f\x7f%\\]")
_OURS = re.compile(r"_runs|document\.md|pages\.jsonl|manifest\.json|[0-9a-f]{12}-[0-9a-f]{12}", re.IGNORECASE)
_LONGEST_SEGMENT_BYTES = 200  # file systems end at 255; temporary names need some of it
_LONGEST_FOLDER_BYTES = 700  # names of objects end at 1,024; the destination's prefix and a checkpoint's name need some


def document_folder(document_key: str) -> str:
    """The folder of one source document."""
    segments = [_harmless(segment) for segment in document_key.split("/")]
    if len("/".join(segments).encode()) <= _LONGEST_FOLDER_BYTES:
        return "/".join(segments)
    mark = _mark(document_key)
    ends = itertools.accumulate(len(segment.encode()) + 1 for segment in segments)
    kept = [segment for segment, end in zip(segments, ends, strict=True) if end + len(mark) <= _LONGEST_FOLDER_BYTES]
    return "/".join([*kept, mark])


def folded(key: str, *, case: bool, accents: bool, ends: bool) -> str:
    """A form of a key that is equal for keys that a file system does not tell apart.

    Args:
        key: A key, or the folder of a document.
        case: The file system ignores case.
        accents: It takes a letter with an accent for the letter followed by the accent (Unicode's canonical forms).
        ends: It ignores dots and blanks at the end of a name.
    """
    if ends:
        key = "/".join(segment.rstrip(". ") for segment in key.split("/"))
    if accents:
        key = unicodedata.normalize("NFD", key)
    if case:
        key = key.casefold()
    return unicodedata.normalize("NFC", key) if accents else key


def markdown(document_key: str) -> str:
    """The document's Markdown: all pages joined."""
    return f"{document_folder(document_key)}/document.md"


def pages_jsonl(document_key: str) -> str:
    """The page results, one line each."""
    return f"{document_folder(document_key)}/pages.jsonl"


def manifest(document_key: str) -> str:
    """The manifest. It is written after the texts that it describes, or says why there are none."""
    return f"{document_folder(document_key)}/manifest.json"


def fingerprint(document: Document, recipe: Recipe) -> str:
    """The name of one version of a document, read with one recipe: `<12 hex digits of the version>-<recipe id>`."""
    return f"{_version_mark(document)}-{recipe.id}"


def checkpoints(document: Document, recipe: Recipe) -> str:
    """The prefix of a document's checkpoints, one object a page."""
    return f"{document_folder(document.key)}/pages/{fingerprint(document, recipe)}/"


def checkpoints_of_version(document: Document) -> str:
    """The prefix of the checkpoints of one version of a document, read with any recipe."""
    return f"{document_folder(document.key)}/pages/{_version_mark(document)}-"


def checkpoint(document: Document, recipe: Recipe, number: int) -> str:
    """The checkpoint of one page; zero-padded, so that key order is page order up to 99,999 pages."""
    return f"{checkpoints(document, recipe)}{number:05d}.json"


def checkpoint_number(key: str) -> int | None:
    """The page number of a checkpoint's key, or None for anything else."""
    match = re.fullmatch(r".*/(\d{5,})\.json", key, re.DOTALL)
    return int(match[1]) if match else None


def refused(document: Document, recipe: Recipe, number: int) -> str:
    """The refused transcripts of one page, beside its checkpoint: one listing finds both."""
    return f"{checkpoints(document, recipe)}{number:05d}.refused.json"


def refused_number(key: str) -> int | None:
    """The page number of a key of refused transcripts, or None for anything else."""
    match = re.fullmatch(r".*/(\d{5,})\.refused\.json", key, re.DOTALL)
    return int(match[1]) if match else None


def run_summary(run_id: str) -> str:
    """The summary of a run."""
    return f"_runs/{run_id}/summary.json"


def shard_id(run_id: str, shard: int) -> str:
    """The id of a shard of a run, counted from 1. A shard has a summary like any other run."""
    return f"{run_id}/shards/{shard:03d}"


def shard_plan(run_id: str, shard: int) -> str:
    """The plan of a shard."""
    return f"_runs/{shard_id(run_id, shard)}/plan.json"


def failures(shard_id: str) -> str:
    """The failed pages of a shard, of documents that its run publishes."""
    return f"_runs/{shard_id}/failed.jsonl"


def upload_lists(day: dt.date) -> str:
    """The prefix of the lists of uploads that were written on a day, UTC."""
    return f"_runs/uploads/{day:%Y-%m-%d}/"


def upload_list(list_id: str, now: dt.datetime) -> str:
    """A list of uploads."""
    return f"{upload_lists(now.date())}{now:%H%M%S}-{list_id}.txt"


def upload_list_id(key: str) -> str:
    """The id of a list of uploads, by its key; empty for anything else."""
    match = re.fullmatch(r"_runs/uploads/[0-9-]{10}/[0-9]{6}-([0-9a-f]{16})\.txt", key)
    return match[1] if match else ""


def _harmless(segment: str) -> str:
    if segment == "":
        return "%2F"  # `a//b`: an empty segment, which no file system keeps
    encoded = _HARMFUL.sub(lambda match: f"%{ord(match[0]):02X}", segment)
    if set(encoded) == {"."}:
        encoded = encoded.replace(".", "%2E")
    if _OURS.fullmatch(encoded):  # `a.pdf/document.md/b.pdf` must not have the key of `a.pdf`'s text
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    if len(encoded.encode()) > _LONGEST_SEGMENT_BYTES:
        mark = _mark(segment)
        kept = encoded.encode()[: _LONGEST_SEGMENT_BYTES - len(mark)].decode(errors="ignore")
        return f"{kept}{mark}"
    return encoded


def _version_mark(document: Document) -> str:
    return hashlib.sha256(document.version.encode()).hexdigest()[:12]


def _mark(name: str) -> str:
    """A digest in place of the part of a name that was cut off. No encoded name contains `%~` otherwise."""
    return f"%~{hashlib.sha256(name.encode()).hexdigest()[:12]}"
