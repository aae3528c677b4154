from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.errors import StoreUnusable
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.list import GcsListedSource
from tests.fakes.gcs import FakeGcs, Fault

Listing = Callable[..., GcsListedSource]


@pytest.fixture
def listing(google: FakeGcs, gcs_client: storage.Client, tmp_path: Path) -> Listing:
    """Makes a source of lines; in the bucket `scans` are `a.pdf`, `2024/b.pdf` and `2024/c.PDF`."""
    google.create_bucket("scans")
    for name in ("a.pdf", "2024/b.pdf", "2024/c.PDF", "2024/notes.txt", "2024/", "2024/.hidden.pdf", "20245.pdf"):
        google.put("scans", name, name.encode())

    def make(*lines: str, include: str = "") -> GcsListedSource:
        (tmp_path / "list.txt").write_bytes(os.fsencode("\n".join(lines)))
        return GcsListedSource(gcs_client, tmp_path / "list.txt", include=include, largest_bytes=1000)

    return make


def _keys(source: GcsListedSource) -> list[str]:
    return [entry.key for entry in source.documents()]


def _reasons(source: GcsListedSource) -> list[str]:
    """The reasons of the wrong lines in a list whose last line is right."""
    *rejected_entries, last = source.documents()
    assert last.key == "scans/a.pdf"
    assert all(isinstance(rejected, RejectedEntry) for rejected in rejected_entries)
    return [rejected.reason for rejected in rejected_entries if isinstance(rejected, RejectedEntry)]


def test_a_list_of_objects_and_prefixes_yields_each_object_once_in_the_lists_order(listing: Listing) -> None:
    lines = ("# these", "", " gs://scans/a.pdf ", "gs://scans/2024/", "gs://scans/2024/b.pdf", "gs://scans/a.pdf")

    assert sorted(_keys(listing(*lines))) == ["scans/2024/b.pdf", "scans/2024/c.PDF", "scans/a.pdf"]
    assert _keys(listing(*lines))[0] == "scans/a.pdf"
    assert _keys(listing("gs://scans/")) == ["scans/2024/b.pdf", "scans/2024/c.PDF", "scans/20245.pdf", "scans/a.pdf"]


def test_a_listed_object_is_downloaded_at_its_listed_generation(listing: Listing, google: FakeGcs) -> None:
    generation = google.put("scans", "what ever%2F#?", b"12345")
    source = listing("gs://scans/what ever%2F#?")

    (document,) = source.documents()

    assert document == Document("scans/what ever%2F#?", str(generation), 5)
    with source.local_copy(document) as copy:
        assert copy.path.read_bytes() == b"12345"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("local/a.pdf", "a list names either gs:// objects or local files, not both"),
        ("gs:///a.pdf", "names no bucket"),
        ("gs://-no-/a.pdf", "'-no-' is not a valid bucket name"),
        ("gs://scans", "names no object"),
        ("gs://scans/missing.pdf", "there is no object gs://scans/missing.pdf"),
        ("gs://missing/a.pdf", "there is no bucket missing; create it: gcloud"),
        ("gs://missing/", "there is no bucket missing; create it: gcloud"),
        ("gs://scans/empty/", "no PDFs below gs://scans/empty/"),
        ("gs://scans/denied.pdf", "add-iam-policy-binding gs://scans"),
        ("gs://scans/large.pdf", "1,001 bytes are more than PAGEMILL_LARGEST_PDF_MIB"),
        (f"gs://scans/{'x' * 5000}", "rejects the request"),
        ("gs://scans/nul\0.pdf", "there is no object gs://scans/nul"),
        ("gs://scans/\udcff.pdf", r"'gs://scans/\xff.pdf' is not UTF-8"),
        ("gs://~nobody/a.pdf", "'~nobody' is not a valid bucket name"),
    ],
)
def test_a_wrong_line_is_named_and_fails_alone(listing: Listing, google: FakeGcs, line: str, says: str) -> None:
    google.put("scans", "large.pdf", bytes(1001))
    google.fault = lambda _kind, _bucket, key: Fault(status=403) if key == "denied.pdf" else None

    (reason,) = _reasons(listing("# wrong", line, "gs://scans/a.pdf"))

    assert reason.startswith("line 2 of ")
    assert "list.txt: " in reason
    assert says in reason


def test_a_bucket_that_may_not_be_listed_fails_its_own_line_only(listing: Listing, google: FakeGcs) -> None:
    google.fault = lambda kind, _bucket, _key: Fault(status=403) if kind == "list" else None

    assert "no permission" in _reasons(listing("gs://scans/2024/", "gs://scans/a.pdf"))[0]


def test_no_wrong_line_shares_a_key_with_a_document(listing: Listing) -> None:
    keys = _keys(listing("gs://scans/a.pdf", "scans/a.pdf", "gs://scans/2024/b.pdf"))

    assert len(set(keys)) == 3


def test_include_filters_a_list_and_no_other_object_is_looked_up(listing: Listing, google: FakeGcs) -> None:
    lines = ("gs://scans/a.pdf", "gs://scans/2024/b.pdf", "gs://scans/2024/")

    assert _keys(listing(*lines, include="scans/2024/*")) == ["scans/2024/b.pdf", "scans/2024/c.PDF"]
    assert google.requests["get"] == 1
    assert _keys(listing(*lines, include="a.*")) == ["scans/a.pdf"]


@pytest.mark.parametrize("lines", [(), ("# nothing",), ("gs://scans/missing.pdf",)])
def test_a_list_that_names_nothing_to_read_is_an_error(listing: Listing, lines: tuple[str, ...]) -> None:
    with pytest.raises(StoreUnusable, match=r"list\.txt: the list names no PDF that could be read"):
        _keys(listing(*lines))


def test_invalid_credentials_stop_the_listing_and_blame_no_line(listing: Listing, google: FakeGcs) -> None:
    google.fault = lambda *_: Fault(status=401)

    with pytest.raises(StoreUnusable, match="no usable Google credentials"):
        _keys(listing("gs://scans/a.pdf", "gs://scans/2024/b.pdf"))


def test_eight_objects_are_looked_up_at_once_and_stay_in_order(listing: Listing, google: FakeGcs) -> None:
    names = [f"{number}.pdf" for number in range(80, 0, -1)]
    for name in names:
        google.put("scans", name, b"1")
    eight = threading.Barrier(8, timeout=10)

    def together(kind: str, _bucket: str, _key: str) -> None:
        if kind == "get":
            eight.wait()

    google.fault = together

    assert _keys(listing(*[f"gs://scans/{name}" for name in names])) == [f"scans/{name}" for name in names]


def test_a_long_list_is_looked_up_only_a_little_ahead(listing: Listing, google: FakeGcs) -> None:
    documents = listing(*[f"gs://scans/{number}.pdf" for number in range(1000)], "gs://scans/a.pdf").documents()

    next(documents)

    assert google.requests["get"] <= 64
    assert isinstance(documents, Generator)
    documents.close()


def test_a_list_may_be_an_object_in_a_bucket(google: FakeGcs, gcs_client: storage.Client) -> None:
    google.create_bucket("lists")
    google.create_bucket("scans")
    google.put("scans", "a.pdf", b"1")
    google.put("lists", "runs/today.txt", b"# uploads\n\ngs://scans/a.pdf\n", "text/plain")

    source = GcsListedSource(gcs_client, Location("lists", "runs/today.txt"), largest_bytes=1000)

    assert source.name == "gs://lists/runs/today.txt"
    assert _keys(source) == ["scans/a.pdf"]
    assert _keys(source) == ["scans/a.pdf"]  # a run in shards lists it more than once


def test_a_list_that_is_not_in_its_bucket_says_what_the_name_stands_for(
    google: FakeGcs, gcs_client: storage.Client
) -> None:
    google.create_bucket("lists")

    with pytest.raises(StoreUnusable, match=r"gs://lists/no\.txt: there is no such object, and a source"):
        _keys(GcsListedSource(gcs_client, Location("lists", "no.txt"), largest_bytes=1000))


def test_an_upload_is_read_at_its_own_generation_only(listing: Listing, google: FakeGcs) -> None:
    old, new = google.put("scans", "a.pdf", b"old"), google.put("scans", "a.pdf", b"new")
    gone = google.put("scans", "gone.pdf", b"1")
    google.delete("scans", "gone.pdf")

    replaced, deleted, read = listing(
        f"gs://scans/a.pdf\t{old}", f"gs://scans/gone.pdf\t{gone}", f"gs://scans/2024/b.pdf\t{new - 9}"
    ).documents()

    assert isinstance(replaced, RejectedEntry)
    assert isinstance(deleted, RejectedEntry)
    assert (replaced.failed, deleted.failed) == (False, False)
    assert replaced.reason.endswith("list.txt: replaced since it was uploaded; the new one is in its list")
    assert deleted.reason.endswith("list.txt: deleted since it was uploaded")
    assert isinstance(read, RejectedEntry)  # of another generation, too
    assert _keys(listing(f"gs://scans/a.pdf\t{new}")) == ["scans/a.pdf"]


def test_a_list_whose_uploads_are_all_gone_is_no_error(listing: Listing) -> None:
    (entry,) = listing("gs://scans/gone.pdf\t17").documents()

    assert isinstance(entry, RejectedEntry)
    assert not entry.failed


@pytest.mark.parametrize(
    "name", ["blank at the end.pdf ", "tab\tin.pdf", "a#1.pdf", "folder/", "\u2028.pdf", "\x0b.pdf\x0b"]
)
def test_a_generation_ends_a_name_whatever_the_name_is(listing: Listing, google: FakeGcs, name: str) -> None:
    generation = google.put("scans", name, b"1")

    (document,) = listing(f"gs://scans/{name}\t{generation}").documents()

    assert (document.key, isinstance(document, Document)) == (f"scans/{name}", True)
