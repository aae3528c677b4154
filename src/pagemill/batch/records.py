"""What a run writes about itself: its summary, and for a shard its failed pages."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping

from pagemill.config.temporary_folder import temporary_files
from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.model import PageResult
from pagemill.domain.pages.summary import RunSummary
from pagemill.ports import ObjectStore

_IN_MEMORY_BYTES = 2**20  # longer texts are assembled on disk


def write_summary(destination: ObjectStore, summary: RunSummary) -> None:
    """Write the summary of a run; blocks."""
    write_parts(destination, keys.run_summary(summary.run_id), summary.to_json(), "application/json")


def write_failures(destination: ObjectStore, shard_id: str, failed: Mapping[str, Mapping[int, PageResult]]) -> None:
    """Write a shard's failed pages, which have no checkpoint, for the run that publishes their documents; blocks.

    Args:
        destination: Where to.
        shard_id: Names the shard.
        failed: Results by document key and page number.
    """
    lines = (
        json.dumps({"document": key, "number": number, "result": assembly.to_json(result)}) + "\n"
        for key, results in failed.items()
        for number, result in sorted(results.items())
    )
    write_parts(destination, keys.failures(shard_id), lines, "application/jsonl")


def write_parts(destination: ObjectStore, key: str, parts: Iterable[str], content_type: str) -> None:
    """Write a text that may be larger than memory; blocks."""
    with temporary_files(), tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as body:
        body.writelines(part.encode() for part in parts)
        destination.write(key, body, content_type=content_type)
