from __future__ import annotations

import base64
import io

import google_crc32c
import pytest
import requests
from google.api_core import exceptions as api
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from tests.fakes.gcs import FakeGcs, Fault

_QUICKLY = DEFAULT_RETRY.with_delay(initial=0.001, maximum=0.001)
_AWKWARD = [
    "a%2Fb",
    "a b",
    "a+b",
    "größe",
    "a//b",
    "/a",
    "a/../b",
    "#1?x=y&z",
    "日本/語",
    "a%",
    "~",
    "\U0001f600",
]


@pytest.fixture
def bucket(google: FakeGcs, gcs_client: storage.Client, monkeypatch: pytest.MonkeyPatch) -> storage.Bucket:
    # Else the client also asks about each bucket in a thread of its own, and the counts depend on which comes first.
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    google.create_bucket("bucket")
    return gcs_client.bucket("bucket")


def test_what_is_uploaded_is_downloaded_with_its_metadata(google: FakeGcs, bucket: storage.Bucket) -> None:
    data = b"--\r\n\n\x00" + bytes(range(256))
    bucket.blob("a").upload_from_string(data, content_type="text/plain", checksum="crc32c")

    found = bucket.get_blob("a")

    assert google.get("bucket", "a") == data == found.download_as_bytes()
    assert (found.size, found.content_type, found.metageneration) == (len(data), "text/plain", 1)
    assert found.crc32c == base64.b64encode(google_crc32c.Checksum(data).digest()).decode()  # type: ignore[no-untyped-call]
    assert found.time_created == found.updated
    assert found.time_created.tzinfo
    assert google.requests == {"insert": 1, "get": 1, "media": 1}


def test_an_object_is_created_only_if_it_is_absent(google: FakeGcs, bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(b"first", if_generation_match=0)

    with pytest.raises(api.PreconditionFailed, match="pre-conditions"):
        bucket.blob("a").upload_from_string(b"second", if_generation_match=0)
    with pytest.raises(api.PreconditionFailed):
        bucket.blob("a").upload_from_file(io.BytesIO(b"second"), if_generation_match=0)

    assert google.get("bucket", "a") == b"first"


def test_of_two_writers_of_one_generation_the_second_fails(google: FakeGcs, bucket: storage.Bucket) -> None:
    generation = google.put("bucket", "a", b"old")
    winner = bucket.blob("a")
    winner.upload_from_string(b"new", if_generation_match=generation)

    with pytest.raises(api.PreconditionFailed):
        bucket.blob("a").upload_from_string(b"other", if_generation_match=generation)
    with pytest.raises(api.PreconditionFailed):
        bucket.blob("a").delete(if_generation_match=generation)
    with pytest.raises(api.PreconditionFailed):
        bucket.blob("a").download_as_bytes(if_generation_match=generation)

    assert winner.generation > generation
    assert google.get("bucket", "a") == b"new"


def test_a_replaced_generation_is_gone(google: FakeGcs, bucket: storage.Bucket) -> None:
    old = google.put("bucket", "a", b"old")
    google.put("bucket", "a", b"new")

    with pytest.raises(api.NotFound):
        bucket.blob("a", generation=old).download_as_bytes()
    assert bucket.get_blob("a", generation=old) is None
    assert bucket.blob("a").download_as_bytes() == b"new"


def test_a_deleted_object_is_gone(google: FakeGcs, bucket: storage.Bucket) -> None:
    google.put("bucket", "a", b"1")

    bucket.blob("a").delete()

    assert not bucket.blob("a").exists()
    with pytest.raises(api.NotFound):
        bucket.blob("a").delete()


def test_2500_objects_are_listed_in_three_pages_in_the_order_of_their_bytes(
    google: FakeGcs, bucket: storage.Bucket
) -> None:
    names = {f"in/{number}" for number in range(2498)} | {"in/\uffee", "in/\U0001f600"}
    for name in names | {"other"}:
        google.put("bucket", name, b"")

    listed = [blob.name for blob in bucket.list_blobs(prefix="in/")]

    assert listed == sorted(names, key=str.encode)
    assert google.requests["list"] == 3


def test_only_the_fields_that_are_asked_for_are_listed(google: FakeGcs, bucket: storage.Bucket) -> None:
    google.put("bucket", "a", b"12345")

    (blob,) = bucket.list_blobs(fields="items(name,size),nextPageToken")

    assert (blob.name, blob.size, blob.generation) == ("a", 5, None)


def test_ranges_are_read_alone_and_none_begins_behind_the_end(google: FakeGcs, bucket: storage.Bucket) -> None:
    google.put("bucket", "a", b"0123456789")
    google.put("bucket", "empty", b"")
    blob = bucket.blob("a")

    assert blob.download_as_bytes(start=2, end=4) == b"234"
    assert blob.download_as_bytes(start=8, end=99) == b"89"
    assert blob.download_as_bytes(start=-3) == b"789"
    with pytest.raises(api.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=10)
    with bucket.blob("empty").open("rb") as file:
        assert file.read() == b""
    with blob.open("rb", chunk_size=4) as file:
        assert list(iter(lambda: file.read(3), b"")) == [b"012", b"345", b"678", b"9"]


def test_an_upload_in_pieces_becomes_an_object_with_its_last(google: FakeGcs, bucket: storage.Bucket) -> None:
    data, seen = bytes(range(256)) * 4 * 1024 * 3, []
    google.fault = lambda kind, _, key: seen.append((kind, google.get("bucket", key)))

    bucket.blob("a", chunk_size=256 * 1024).upload_from_file(io.BytesIO(data), checksum="crc32c")

    assert seen == [("resumable-start", None)] + [("resumable-put", None)] * 13  # the last: that was all
    assert google.get("bucket", "a") == data


def test_an_interrupted_upload_leaves_no_object_and_says_how_far_it_came(
    google: FakeGcs, bucket: storage.Bucket
) -> None:
    assert bucket.name == "bucket"
    with requests.Session() as session:
        begun = session.post(f"{google.url}/upload/storage/v1/b/bucket/o?uploadType=resumable", json={"name": "a"})
        here = begun.headers["Location"]
        piece = session.put(here, data=bytes(2**18), headers={"Content-Range": f"bytes 0-{2**18 - 1}/*"})
        asked = session.put(here, headers={"Content-Range": "bytes */*"})
        gap = session.put(here, data=b"1", headers={"Content-Range": f"bytes {2**18 + 1}-{2**18 + 1}/*"})

        assert [piece.status_code, asked.status_code, gap.status_code] == [308, 308, 400]
        assert asked.headers["Range"] == f"bytes=0-{2**18 - 1}"
        assert google.get("bucket", "a") is None

        last = {"Content-Range": f"bytes {2**18}-{2**18}/{2**18 + 1}"}
        ends = [session.put(here, data=b"1", headers=last).json()["generation"] for _ in range(2)]

    assert ends[0] == ends[1]
    assert google.get("bucket", "a") == bytes(2**18) + b"1"


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(reset=True), Fault(torn=True)], ids=["503", "reset", "torn"]
)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_the_client_mends_an_upload_in_pieces(google: FakeGcs, bucket: storage.Bucket, fault: Fault, nth: int) -> None:
    data = bytes(range(256)) * 1024 * 3
    google.fault = lambda kind, *_: fault if kind == "resumable-put" and google.requests[kind] == nth else None
    blob = bucket.blob("a", chunk_size=256 * 1024)

    blob.upload_from_file(io.BytesIO(data), if_generation_match=0, retry=_QUICKLY)

    assert google.get("bucket", "a") == data


@pytest.mark.parametrize("name", _AWKWARD)
def test_awkward_names_stay_as_they_are(google: FakeGcs, bucket: storage.Bucket, name: str) -> None:
    bucket.blob(name).upload_from_string(b"1")
    bucket.blob(f"{name}.pieces").upload_from_file(io.BytesIO(b"2"))

    assert set(google.buckets["bucket"]) == {name, f"{name}.pieces"}
    assert [blob.name for blob in bucket.list_blobs(prefix=name)] == [name, f"{name}.pieces"]
    assert bucket.blob(name).download_as_bytes() == bucket.get_blob(name).download_as_bytes() == b"1"
    bucket.blob(name).delete()
    assert google.get("bucket", name) is None


def test_a_corrupted_download_does_not_match_its_checksum(google: FakeGcs, bucket: storage.Bucket) -> None:
    google.put("bucket", "a", b"12345")
    google.fault = lambda *_: Fault(corrupted=True)

    with pytest.raises(DataCorruption, match="CRC32C"):
        bucket.blob("a").download_as_bytes(checksum="crc32c")


def test_a_torn_download_goes_on_where_it_broke_off(google: FakeGcs, bucket: storage.Bucket) -> None:
    data = bytes(range(256)) * 4096
    google.put("bucket", "a", data)
    google.fault = lambda *_: Fault(torn=google.requests["media"] == 1)

    assert bucket.blob("a").download_as_bytes(retry=_QUICKLY) == data
    assert google.requests["media"] == 2


def test_a_bucket_that_does_not_exist_is_not_found(gcs_client: storage.Client, bucket: storage.Bucket) -> None:
    missing = gcs_client.bucket("missing")

    assert bucket.exists()
    assert not missing.exists()
    for call in (missing.reload, missing.blob("a").download_as_bytes, lambda: list(missing.list_blobs())):
        with pytest.raises(api.NotFound, match="bucket does not exist"):
            call()


@pytest.mark.parametrize(
    ("status", "error"), [(403, api.Forbidden), (404, api.NotFound), (412, api.PreconditionFailed)]
)
def test_a_status_on_order_is_the_clients_error(
    google: FakeGcs, bucket: storage.Bucket, status: int, error: type[Exception]
) -> None:
    google.fault = lambda *_: Fault(status=status)

    with pytest.raises(error, match="on order"):
        list(bucket.list_blobs())
    with pytest.raises(error, match="on order"):
        bucket.blob("a").upload_from_string(b"1")
    assert google.requests == {"list": 1, "insert": 1}


def test_a_fault_says_when_to_come_back(google: FakeGcs, bucket: storage.Bucket) -> None:
    google.fault = lambda *_: Fault(status=503, headers={"Retry-After": "7"})

    with pytest.raises(api.ServiceUnavailable) as caught:
        list(bucket.list_blobs(retry=None))

    assert caught.value.response.headers["Retry-After"] == "7"
