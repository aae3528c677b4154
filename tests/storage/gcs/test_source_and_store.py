from __future__ import annotations

import gzip
import io
import re
import tempfile
from pathlib import Path
from typing import IO

import pytest
from google.cloud import storage

from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.errors import DocumentUnreadable, PreconditionFailed, StoreUnusable, UsageError
from pagemill.ports import ABSENT, DocumentSource
from pagemill.storage.gcs.client import Location, parse_location
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.gcs.store import GcsStore
from tests.fakes.gcs import FakeGcs, Fault

_AWKWARD = [
    "a b.pdf",
    "größe.pdf",
    "a//b.pdf",
    "a/../b.pdf",
    "a%2Fb.pdf",
    "#1?.pdf",
    "A.pdf",
    "a.pdf",
    f"{'x' * 1000}.pdf",
]


def _source(client: storage.Client, prefix: str = "in", *, include: str = "", largest_bytes: int = 2**20) -> GcsSource:
    return GcsSource(client, Location("bucket", prefix), include=include, largest_bytes=largest_bytes)


def _keys(source: DocumentSource) -> list[str]:
    return [entry.key for entry in source.documents()]


@pytest.fixture
def bucket(google: FakeGcs) -> FakeGcs:
    google.create_bucket("bucket")
    return google


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("gs://b", Location("b", "")),
        ("gs://b/", Location("b", "")),
        ("gs://b/in/2024/", Location("b", "in/2024")),
        ("gs://b/a.pdf", Location("b", "a.pdf")),
    ],
)
def test_a_location_is_a_bucket_and_a_prefix(text: str, location: Location) -> None:
    assert parse_location(text) == location


@pytest.mark.parametrize("text", ["gs://", "gs:///a", "s3://b/a", "b/a"])
def test_a_location_without_a_bucket_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="gs://BUCKET/PREFIX"):
        parse_location(text)


@pytest.mark.parametrize("bucket", ["-b", "b_", "My Bucket", "b%2Fc", "größe", "b?"])
def test_a_bucket_that_cannot_exist_is_wrong_usage(bucket: str) -> None:
    with pytest.raises(UsageError, match=f"'{re.escape(bucket)}' is not a valid bucket name"):
        parse_location(f"gs://{bucket}/a.pdf")


def test_the_pdfs_below_a_prefix_are_listed_with_their_generation_and_size(
    bucket: FakeGcs, gcs_client: storage.Client
) -> None:
    generation = bucket.put("bucket", "in/b/a.PDF", b"12345")
    for name in ("in/notes.txt", "in/.hidden.pdf", "in/b/", "inside.pdf", "other/c.pdf"):
        bucket.put("bucket", name, b"x")

    assert list(_source(gcs_client).documents()) == [Document("b/a.PDF", str(generation), 5)]


def test_a_single_object_is_a_document_under_its_whole_name(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    bucket.put("bucket", "in/scan", b"12345")
    source = _source(gcs_client, "in/scan")

    (document,) = source.documents()

    assert isinstance(document, Document)
    assert (document.key, document.source) == ("in/scan", "gs://bucket/in/scan")
    with source.local_copy(document) as copy:
        assert copy.path.read_bytes() == b"12345"


def test_include_filters_a_prefix(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    for name in ("in/2024/a.pdf", "in/2025/a.pdf", "in/2025/b.pdf"):
        bucket.put("bucket", name, b"x")

    assert _keys(_source(gcs_client, include="2025/*")) == ["2025/a.pdf", "2025/b.pdf"]
    assert _keys(_source(gcs_client, include="a.*")) == ["2024/a.pdf", "2025/a.pdf"]


def test_unusual_names_are_listed_and_downloaded_unchanged(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    for name in _AWKWARD:
        bucket.put("bucket", f"in/{name}", name.encode())
    source = _source(gcs_client)

    fetched = {}
    for document in source.documents():
        assert isinstance(document, Document)
        with source.local_copy(document) as copy:
            fetched[document.key] = copy.path.read_bytes()

    assert fetched == {name: name.encode() for name in _AWKWARD}


def test_an_object_over_the_size_limit_is_rejected_without_a_download(
    bucket: FakeGcs, gcs_client: storage.Client
) -> None:
    bucket.put("bucket", "in/a.pdf", bytes(2**20 + 1))

    (rejected,) = _source(gcs_client).documents()

    assert isinstance(rejected, RejectedEntry)
    assert "1,048,577 bytes are more than PAGEMILL_LARGEST_PDF_MIB, 1, allows" in rejected.reason


@pytest.mark.parametrize("replaced", [True, False])
def test_an_object_replaced_or_deleted_since_it_was_listed_says_so(
    bucket: FakeGcs, gcs_client: storage.Client, *, replaced: bool
) -> None:
    bucket.put("bucket", "in/a.pdf", b"old")
    source = _source(gcs_client)
    (document,) = source.documents()
    assert isinstance(document, Document)
    if replaced:
        bucket.put("bucket", "in/a.pdf", b"new")
    else:
        bucket.delete("bucket", "in/a.pdf")

    with pytest.raises(DocumentUnreadable, match="deleted or replaced"), source.local_copy(document):
        pass


def test_a_prefix_without_pdfs_and_a_bucket_that_does_not_exist_say_what_to_do(
    bucket: FakeGcs, gcs_client: storage.Client
) -> None:
    bucket.put("bucket", "in/a.txt", b"x")

    with pytest.raises(StoreUnusable, match="gs://bucket/in: no PDFs found"):
        _keys(_source(gcs_client))
    with pytest.raises(StoreUnusable, match="no bucket missing; create it: gcloud storage buckets create gs://missing"):
        _keys(GcsSource(gcs_client, Location("missing", ""), largest_bytes=1))
    with pytest.raises(StoreUnusable, match="no bucket missing"):
        GcsStore(gcs_client, Location("missing", "")).write("a", b"", content_type="text/plain")


@pytest.mark.parametrize("kind", ["list", "insert"])
def test_a_missing_permission_names_the_command_that_grants_it(
    bucket: FakeGcs, gcs_client: storage.Client, kind: str
) -> None:
    bucket.fault = lambda asked, _bucket, _key: Fault(status=403) if asked == kind else None
    store = GcsStore(gcs_client, Location("bucket", "out"))

    with pytest.raises(StoreUnusable, match="gcloud storage buckets add-iam-policy-binding gs://bucket"):
        _ = list(store.keys("")) if kind == "list" else store.write("a", b"", content_type="text/plain")  # type: ignore[func-returns-value]


def test_a_damaged_download_is_never_taken_for_the_document(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    bucket.put("bucket", "in/a.pdf", b"12345")
    source = _source(gcs_client)
    (document,) = source.documents()
    assert isinstance(document, Document)
    bucket.fault = lambda kind, _bucket, _key: Fault(corrupted=kind == "media")

    with pytest.raises(DocumentUnreadable, match="does not match the object's checksum"), source.local_copy(document):
        pass


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(reset=True), Fault(status=429)], ids=["503", "reset", "429"]
)
def test_transient_errors_are_retried_and_write_once(bucket: FakeGcs, gcs_client: storage.Client, fault: Fault) -> None:
    faults = {"list": fault, "insert": fault, "media": fault}
    bucket.fault = lambda kind, _bucket, _key: faults.pop(kind, None)
    store = GcsStore(gcs_client, Location("bucket", "out"))

    store.write("a", b"12345", content_type="text/plain", if_version=ABSENT)
    stored = store.read("a")

    assert list(store.keys("")) == ["a"]
    assert stored
    assert stored.data == b"12345"
    assert not faults


def test_an_interrupted_download_is_resumed(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    data = bytes(range(256)) * 4096
    bucket.put("bucket", "in/a.pdf", data)
    source = _source(gcs_client)
    (document,) = source.documents()
    assert isinstance(document, Document)
    torn = [Fault(torn=True)]
    bucket.fault = lambda kind, _bucket, _key: torn.pop() if kind == "media" and torn else None

    with source.local_copy(document) as copy:
        assert copy.path.read_bytes() == data


def test_missing_permissions_stop_a_run_before_it_begins(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    store = GcsStore(gcs_client, Location("bucket", "out"))
    store.check_writable()
    bucket.denied = {"storage.objects.create"}

    with pytest.raises(StoreUnusable, match=r"storage\.objects\.create missing; grant it: gcloud"):
        store.check_writable()


def test_an_object_that_is_stored_compressed_is_unpacked(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    bucket.put("bucket", "in/a.pdf", gzip.compress(b"12345"), content_encoding="gzip")
    source = _source(gcs_client)
    (document,) = source.documents()
    assert isinstance(document, Document)

    with source.local_copy(document) as copy:
        assert copy.path.read_bytes() == b"12345"


def test_a_resumed_download_with_damaged_bytes_is_noticed(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    bucket.put("bucket", "in/a.pdf", bytes(range(256)) * 4096)
    source = _source(gcs_client)
    (document,) = source.documents()
    assert isinstance(document, Document)
    faults = [Fault(torn=True), Fault(corrupted=True)]
    bucket.fault = lambda kind, _bucket, _key: faults.pop(0) if kind == "media" and faults else None

    with pytest.raises(DocumentUnreadable, match="does not match the object's checksum"), source.local_copy(document):
        pass


def test_a_version_is_looked_up_without_the_content(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    generation = bucket.put("bucket", "out/a", b"12345")

    assert GcsStore(gcs_client, Location("bucket", "out")).version("a") == str(generation)
    assert (bucket.requests["get"], bucket.requests["media"]) == (1, 0)


@pytest.mark.parametrize("body", [b"12345", io.BytesIO(b"12345")], ids=["bytes", "file"])
@pytest.mark.parametrize("new", [True, False])
def test_a_write_whose_answer_is_lost_is_recognised_as_our_own(
    bucket: FakeGcs, gcs_client: storage.Client, body: bytes | IO[bytes], *, new: bool
) -> None:
    store = GcsStore(gcs_client, Location("bucket", "out"))
    version = ABSENT if new else str(bucket.put("bucket", "out/a", b"old"))
    lost = [Fault(torn=True)]
    bucket.fault = lambda kind, _bucket, _key: lost.pop() if kind == "insert" and lost else None

    store.write("a", body, content_type="text/plain", if_version=version)

    assert bucket.get("bucket", "out/a") == b"12345"
    assert (bucket.requests["insert"], bucket.requests["get"]) == (
        2,
        1,
    )  # the second failed because of the first one's object


@pytest.mark.parametrize("there", [b"54321", b"1234", None], ids=["other bytes", "fewer bytes", "nothing"])
def test_an_object_with_other_content_is_another_writers(
    bucket: FakeGcs, gcs_client: storage.Client, there: bytes | None
) -> None:
    store = GcsStore(gcs_client, Location("bucket", "out"))
    version = str(bucket.put("bucket", "out/a", b"old"))
    if there is None:
        bucket.delete("bucket", "out/a")
    else:
        bucket.put("bucket", "out/a", there)

    with pytest.raises(PreconditionFailed):
        store.write("a", b"12345", content_type="text/plain", if_version=version)

    assert bucket.get("bucket", "out/a") == there


def test_an_object_that_may_not_be_read_fails_alone(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    bucket.put("bucket", "in/a.pdf", b"12345")
    source = _source(gcs_client)
    (document,) = source.documents()
    assert isinstance(document, Document)
    bucket.fault = lambda kind, _bucket, _key: Fault(status=403) if kind == "media" else None

    with (
        pytest.raises(DocumentUnreadable, match=r"gs://bucket/in/a\.pdf: no permission .* grant it: gcloud"),
        source.local_copy(document),
    ):
        pass


def test_the_name_of_an_object_does_not_include_objects_below_it(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    for name in ("in/a.pdf", "in/a.pdf/a.pdf"):
        bucket.put("bucket", name, name.encode())
    object_, folder = _source(gcs_client, "in/a.pdf"), _source(gcs_client, "in")

    assert _keys(object_) == ["in/a.pdf"]
    assert _keys(folder) == ["a.pdf", "a.pdf/a.pdf"]
    bucket.delete("bucket", "in/a.pdf")
    (document,) = object_.documents()
    assert isinstance(document, Document)
    with object_.local_copy(document) as copy:
        assert copy.path.read_bytes() == b"in/a.pdf/a.pdf"


@pytest.mark.parametrize("stored", [b"", b"content" * 100])
def test_an_interrupted_answer_is_requested_again_even_a_404(
    bucket: FakeGcs, gcs_client: storage.Client, stored: bytes
) -> None:
    if stored:
        bucket.put("bucket", "out/a.json", stored)
    torn = [Fault(torn=True), Fault(torn=True)]
    bucket.fault = lambda kind, _bucket, _key: torn.pop() if kind == "media" and torn else None

    found = GcsStore(gcs_client, Location("bucket", "out")).read("a.json")

    assert (found.data if found else b"") == stored


def test_a_resumed_result_with_damaged_bytes_is_read_again(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    bucket.put("bucket", "out/a.json", b"content" * 100)
    faults = [Fault(corrupted=True), Fault(torn=True)]
    bucket.fault = lambda kind, _bucket, _key: faults.pop() if kind == "media" and faults else None

    found = GcsStore(gcs_client, Location("bucket", "out")).read("a.json")

    assert found
    assert found.data == b"content" * 100


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "br"])
def test_plain_bytes_that_claim_to_be_packed_are_read_as_they_are(
    bucket: FakeGcs, gcs_client: storage.Client, encoding: str
) -> None:
    bucket.put("bucket", "in/a.pdf", b"%PDF-1.7", content_encoding=encoding)
    source = _source(gcs_client)
    (document,) = source.documents()
    assert isinstance(document, Document)

    with source.local_copy(document) as copy:
        assert copy.path.read_bytes() == b"%PDF-1.7"


def test_a_packed_object_that_is_cut_off_says_so(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    bucket.put("bucket", "in/a.pdf", gzip.compress(b"%PDF-1.7" * 100)[:-20], content_encoding="gzip")
    source = _source(gcs_client)
    (document,) = source.documents()
    assert isinstance(document, Document)

    with pytest.raises(DocumentUnreadable, match="cannot be unpacked"), source.local_copy(document):
        pass


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("in/x.pdf ", "application/octet-stream"),
        ("in/x.PDF;1", "application/octet-stream"),
        ("in/2024/x.pdf.1", ""),
    ],
)
def test_an_object_whose_name_is_nearly_a_pdfs_is_named_and_read_where_include_asks_for_it(
    bucket: FakeGcs, gcs_client: storage.Client, name: str, content_type: str
) -> None:
    bucket.put("bucket", "in/good.pdf", b"x")
    bucket.put("bucket", name, b"x", content_type)
    key = name.removeprefix("in/")

    entries = [entry for entry in _source(gcs_client).documents() if isinstance(entry, RejectedEntry)]
    (asked,) = GcsSource(gcs_client, Location("bucket", "in"), include=f"{key[:-1]}?", largest_bytes=9).documents()

    assert [entry.key for entry in entries] == [key]
    assert entries[0].reason.endswith("rename the object, or name it with --include")
    assert not entries[0].has_folder
    assert isinstance(asked, Document)


@pytest.mark.parametrize("name", ["scan", "2024/scan.v2", "x.pdf.1"])
def test_an_object_that_is_a_pdf_by_its_type_is_read_whatever_its_name(
    bucket: FakeGcs, gcs_client: storage.Client, tmp_path: Path, name: str
) -> None:
    bucket.put("bucket", f"in/{name}", b"x", "application/pdf")
    bucket.put("bucket", f"in/{name}.txt", b"x", "application/pdf")  # the name says something else
    (tmp_path / "list.txt").write_text("gs://bucket/in/")

    (document,) = _source(gcs_client).documents()
    (listed,) = GcsListedSource(gcs_client, tmp_path / "list.txt", largest_bytes=9).documents()

    assert isinstance(document, Document)
    assert isinstance(listed, Document)
    assert (document.key, listed.key) == (name, f"bucket/in/{name}")


def test_images_beside_objects_are_counted_by_their_endings_or_types(
    bucket: FakeGcs, gcs_client: storage.Client, tmp_path: Path
) -> None:
    for name, content_type in [
        ("in/good.pdf", "application/pdf"),
        ("in/a.TIF", "application/octet-stream"),
        ("in/2024/b.tif", "image/tiff"),
        ("in/picture", "image/png"),
        ("in/.hidden.png", "image/png"),
        ("in/notes.txt", "text/plain"),
    ]:
        bucket.put("bucket", name, b"x", content_type)
    (tmp_path / "list.txt").write_text("gs://bucket/in/2024/\ngs://bucket/in/")
    source, listed = _source(gcs_client), GcsListedSource(gcs_client, tmp_path / "list.txt", largest_bytes=9)

    assert _keys(source) == ["good.pdf"]
    assert [entry.key for entry in listed.documents() if isinstance(entry, Document)] == ["bucket/in/good.pdf"]
    assert source.images == listed.images == {".tif": 2, "image/png": 1}
    with pytest.raises(StoreUnusable, match=r"no PDFs matching '\*\.tif' found .*; 1 image not read \(1 \.tif\)"):
        _keys(GcsSource(gcs_client, Location("bucket", "in"), include="*.tif", largest_bytes=9))


def test_results_folders_and_unfinished_uploads_are_not_mentioned(bucket: FakeGcs, gcs_client: storage.Client) -> None:
    bucket.put("bucket", "in/a.pdf", b"x")
    for name, content_type in [
        ("in/a.pdf/document.md", "text/markdown"),
        ("in/a.pdf/pages.jsonl", "application/jsonl"),
        ("in/a.pdf/manifest.json", "application/json"),
        ("in/b.pdf/", "application/x-directory"),
        ("in/b.pdf.part", "application/octet-stream"),
        ("in/picture", "image/png"),
    ]:
        bucket.put("bucket", name, b"x", content_type)

    assert _keys(_source(gcs_client)) == ["a.pdf"]


@pytest.mark.parametrize("members", [1, 3], ids=["one member", "three members"])
def test_a_packed_object_is_unpacked_only_as_far_as_the_largest_pdf_may_go(
    bucket: FakeGcs, gcs_client: storage.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    bucket.put("bucket", "in/bomb.pdf", gzip.compress(bytes(2**22)) * members, content_encoding="gzip")
    bucket.put("bucket", "in/good.pdf", gzip.compress(bytes(2**20)), content_encoding="gzip")
    source = _source(gcs_client)
    bomb, good = source.documents()
    assert isinstance(bomb, Document)
    assert isinstance(good, Document)

    with (
        pytest.raises(DocumentUnreadable, match="is larger than PAGEMILL_LARGEST_PDF_MIB, 1, allows"),
        source.local_copy(bomb),
    ):
        pass
    with source.local_copy(good) as copy:
        files = [path.name for path in copy.path.parent.iterdir()]
        assert copy.path.stat().st_size == 2**20

    assert files == ["unpacked"]  # not the packed bytes, too
    assert list(tmp_path.iterdir()) == []
