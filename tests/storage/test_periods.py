"""`--since` and `--until`: objects by the time of their creation, files by that of their last modification."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.domain.pages.period import parse_period
from pagemill.errors import StoreUnusable
from pagemill.ports import DocumentSource
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.local_source import ListedSource, LocalSource
from tests.fakes.gcs import FakeGcs

_DAYS = {"old.pdf": 1, "middle.pdf": 15, "middle.png": 15, "new.pdf": 28, "new.png": 28}
_MIDDLE = parse_period("2026-11-10", "2026-11-20")
_NEVER = parse_period("2025-01-01", "2025-01-02")


def _on(day: int) -> dt.datetime:
    return dt.datetime(2026, 11, day, 12, tzinfo=dt.UTC)


@pytest.fixture
def objects(google: FakeGcs) -> None:
    google.create_bucket("scans")
    for name, day in _DAYS.items():
        google.put("scans", f"in/{name}", b"1", "", created=_on(day))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name, day in _DAYS.items():
        (tmp_path / "in" / name).write_bytes(b"%PDF-")
        os.utime(tmp_path / "in" / name, (0, _on(day).timestamp()))
    return tmp_path / "in"


def _keys(source: DocumentSource) -> list[str]:
    return [entry.key for entry in source.documents()]


@pytest.mark.usefixtures("objects")
def test_objects_of_a_bucket_are_chosen_by_their_creation(gcs_client: storage.Client) -> None:
    source = GcsSource(gcs_client, Location("scans", "in"), period=_MIDDLE, largest_bytes=9)

    assert _keys(source) == ["middle.pdf"]
    assert source.images == {".png": 1}
    with pytest.raises(StoreUnusable, match=r"no PDFs created from 2025-01-01 00:00 UTC on before .* found"):
        _keys(GcsSource(gcs_client, Location("scans", "in"), period=_NEVER, largest_bytes=9))


@pytest.mark.usefixtures("objects")
def test_objects_of_a_list_are_chosen_by_their_creation(gcs_client: storage.Client, tmp_path: Path) -> None:
    for lines in ("gs://scans/in/", "gs://scans/in/old.pdf\ngs://scans/in/middle.pdf\ngs://scans/in/new.pdf"):
        (tmp_path / "list.txt").write_text(lines)
        source = GcsListedSource(gcs_client, tmp_path / "list.txt", period=_MIDDLE, largest_bytes=9)
        assert _keys(source) == ["scans/in/middle.pdf"]
    with pytest.raises(StoreUnusable, match="created from 2025-01-01"):
        _keys(GcsListedSource(gcs_client, tmp_path / "list.txt", period=_NEVER, largest_bytes=9))


def test_files_are_chosen_by_their_last_modification(folder: Path) -> None:
    source = LocalSource(folder, period=_MIDDLE)

    assert _keys(source) == ["middle.pdf"]
    assert source.images == {".png": 1}
    assert _keys(LocalSource(folder / "middle.pdf", period=_MIDDLE)) == ["middle.pdf"]
    with pytest.raises(StoreUnusable, match=r"no PDFs modified from 2025-01-01 00:00 UTC on before"):
        _keys(LocalSource(folder, period=_NEVER))
    with pytest.raises(StoreUnusable, match="modified from"):
        _keys(LocalSource(folder / "old.pdf", period=_MIDDLE))


def test_files_of_a_list_are_chosen_by_their_last_modification_and_missing_ones_are_named(folder: Path) -> None:
    (folder / "list.txt").write_text("old.pdf\nmiddle.pdf\nmissing.pdf\n.")

    assert _keys(ListedSource(folder / "list.txt", period=_MIDDLE)) == ["middle.pdf", "missing.pdf"]
    with pytest.raises(StoreUnusable, match="names no PDF modified from"):
        _keys(ListedSource(folder / "list.txt", period=_NEVER))
