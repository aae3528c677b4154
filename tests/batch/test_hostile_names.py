"""Bad input over gs://, whole batches: each costs a clear line and nothing else."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.domain.pages import keys
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import StoreUnusable
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.gcs.store import GcsStore
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs, Fault
from tests.fakes.ocr_endpoint import FakeEndpoint

_LONGEST = 1024  # bytes of an object's name


def _as_long_as_can_be(part: str) -> str:
    times, rest = divmod(_LONGEST - len("z.pdf"), len(part.encode()))
    return "n" * rest + part * times + "z.pdf"


_NAMES = [
    "a b.pdf",
    unicodedata.normalize("NFC", "größe.pdf"),
    unicodedata.normalize("NFD", "größe.pdf"),
    "日本/語\u202e\u2028.pdf",
    "a//b.pdf",
    "//b.pdf",
    "/etc/passwd.pdf",
    "a/../b.pdf",
    "../../../../../../../../tmp/b.pdf",
    "./b.pdf",
    ".../b.pdf",
    "a%2Fb.pdf",
    "a/b.pdf",
    "100%.pdf",
    "#1.pdf",
    "?x=y&z.pdf",
    "*.pdf",
    "[a]+.pdf",
    "a\\b\t.pdf",
    "A.PDF",
    "A.pdf",
    "a.pdf",
    "a.pdf/document.md/b.pdf",
    "a.pdf/manifest.json/b.pdf",
    "a.pdf/pages/b.pdf",
    "_runs/test-run/summary.json/b.pdf",
    *map(_as_long_as_can_be, ["x", "é", "/", "../", "%", "%/", "d/", "\\"]),
]


@pytest.fixture(params=["bucket", "folder"])
def hostile_mill(request: pytest.FixtureRequest, mill: Mill, google: FakeGcs, gcs_client: storage.Client) -> Mill:
    """A mill from the bucket `in` into another one, or into a folder."""
    google.create_bucket("in")
    google.create_bucket("out")
    mill.documents = GcsSource(gcs_client, Location("in", ""), largest_bytes=2**20)
    mill.store = LocalStore(mill.out) if request.param == "folder" else GcsStore(gcs_client, Location("out", "text"))
    return mill


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def _run(mill: Mill) -> RunSummary:
    async with FakeEndpoint() as endpoint:
        return await mill.run(endpoint)


def _errors(summary: RunSummary) -> dict[str, str]:
    return {outcome.key: outcome.error for outcome in summary.outcomes if outcome.error}


def _manifest_key(mill: Mill, key: str) -> str:
    """Which document it is that a document's manifest is about."""
    assert mill.store
    stored = mill.store.read(keys.manifest(key))
    assert stored
    named: str = json.loads(stored.data)["document"]["key"]
    return named


@pytest.mark.slow
async def test_hostile_names_stay_apart_and_nothing_leaves_the_destination(
    hostile_mill: Mill, google: FakeGcs, tmp_path: Path
) -> None:
    for number, name in enumerate(_NAMES):
        google.put("in", name, b"%d" % (number % 3 + 1))
    google.put("in", "folder.pdf/", b"")
    before = _names_in(tmp_path)

    first = await _run(hostile_mill)
    second = await _run(hostile_mill)

    assert _errors(first) == {}
    assert first.stopped_by is None
    assert {outcome.key: outcome.pages for outcome in first.outcomes} == {
        name: number % 3 + 1 for number, name in enumerate(_NAMES)
    }
    assert [_manifest_key(hostile_mill, name) for name in _NAMES] == _NAMES
    assert (second.requests, second.reused) == (0, first.pages)
    assert _names_in(tmp_path) - before <= {"out"}
    assert set(google.buckets["in"]) == {*_NAMES, "folder.pdf/"}
    assert all(name.startswith("text/") for name in google.buckets["out"])


@pytest.mark.slow
async def test_hostile_names_in_a_list_stay_apart_and_each_is_read_once(
    hostile_mill: Mill, google: FakeGcs, gcs_client: storage.Client, tmp_path: Path
) -> None:
    for name in _NAMES:
        google.put("in", name, b"1")
    lines = [f"gs://in/{name}" for name in _NAMES]
    wrong = ["in/a.pdf", "gs://in/a.pdf/none.pdf", "gs://no/a.pdf", f"gs://in/{'x' * 2000}"]
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join([*lines, *wrong, *lines, "gs://in/"]), encoding="utf-8")
    hostile_mill.documents = GcsListedSource(gcs_client, listing, largest_bytes=2**20)

    summary = await _run(hostile_mill)

    assert summary.statuses[Status.OK] == len(_NAMES)
    assert Counter(outcome.key for outcome in summary.outcomes if not outcome.error) == Counter(
        f"in/{name}" for name in _NAMES
    )
    assert [_manifest_key(hostile_mill, f"in/{name}") for name in _NAMES] == [f"in/{name}" for name in _NAMES]
    first = len(_NAMES) + 1
    said = sorted(error.partition(" of ")[0] for error in _errors(summary).values())
    assert said == [f"line {number}" for number in range(first, first + len(wrong))]


async def test_an_unreadable_document_is_named_whatever_it_is_called(hostile_mill: Mill, google: FakeGcs) -> None:
    for name in _NAMES:
        google.put("in", name, b"rubbish")
    google.put("in", "good.pdf", b"1")

    summary = await _run(hostile_mill)

    assert _errors(summary) == dict.fromkeys(_NAMES, "not a PDF")
    assert [_manifest_key(hostile_mill, name) for name in _NAMES] == _NAMES
    assert summary.statuses[Status.OK] == 1


def _deleted(google: FakeGcs) -> None:
    google.delete("in", "b.pdf")


def _replaced(google: FakeGcs) -> None:
    google.put("in", "b.pdf", b"2")


@pytest.mark.parametrize("happens", [_deleted, _replaced])
async def test_an_object_that_changes_between_listing_and_download_costs_only_itself(
    hostile_mill: Mill, google: FakeGcs, happens: Callable[[FakeGcs], None]
) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        google.put("in", name, b"1")
    pending = [happens]

    def change(kind: str, _bucket: str, key: str) -> None:
        if (kind, key) == ("media", "b.pdf") and pending:
            pending.pop()(google)

    google.fault = change
    summary = await _run(hostile_mill)

    assert _errors(summary) == {"b.pdf": "the object was deleted or replaced since it was listed; run again"}
    assert summary.statuses[Status.OK] == 2


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault(status=403), "gs://in/b.pdf: no permission (on order); grant it: gcloud storage buckets add-iam"),
        (Fault(corrupted=True), "the download does not match the object's checksum"),
    ],
    ids=["denied", "damaged"],
)
async def test_an_object_that_cannot_be_read_costs_only_itself(
    hostile_mill: Mill, google: FakeGcs, fault: Fault, says: str
) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        google.put("in", name, b"1")
    google.fault = lambda kind, _bucket, key: fault if (kind, key) == ("media", "b.pdf") else None

    summary = await _run(hostile_mill)

    assert list(_errors(summary)) == ["b.pdf"]
    assert _errors(summary)["b.pdf"].startswith(says)
    assert summary.statuses[Status.OK] == 2
    assert summary.stopped_by is None


async def test_an_object_over_the_size_limit_is_not_read_and_costs_only_itself(
    hostile_mill: Mill, google: FakeGcs
) -> None:
    google.put("in", "a.pdf", b"1")
    google.put("in", "b.pdf", bytes(2**20 + 1))

    summary = await _run(hostile_mill)

    assert _errors(summary) == {"b.pdf": "1,048,577 bytes are more than PAGEMILL_LARGEST_PDF_MIB, 1, allows"}
    assert summary.statuses[Status.OK] == 1


async def test_a_source_bucket_that_does_not_exist_ends_the_run_with_the_command_that_makes_it(
    hostile_mill: Mill, gcs_client: storage.Client
) -> None:
    hostile_mill.documents = GcsSource(gcs_client, Location("missing", "a"), largest_bytes=1)

    summary = await _run(hostile_mill)

    assert summary.documents == 0
    assert isinstance(summary.stopped_by, StoreUnusable)
    assert str(summary.stopped_by) == (
        "there is no bucket missing; create it: gcloud storage buckets create gs://missing"
    )


async def test_a_source_that_may_not_be_listed_ends_the_run_with_the_command_that_grants_it(
    hostile_mill: Mill, google: FakeGcs
) -> None:
    google.fault = lambda kind, bucket, _key: Fault(status=403) if (kind, bucket) == ("list", "in") else None

    summary = await _run(hostile_mill)

    assert summary.documents == 0
    assert str(summary.stopped_by).startswith("gs://in: no permission (on order); grant it: gcloud storage buckets")


async def test_a_listing_that_breaks_off_keeps_what_it_found(hostile_mill: Mill, google: FakeGcs) -> None:
    for number in range(1001):
        google.put("in", f"{number:04}.{'pdf' if number < 3 else 'txt'}", b"1")
    google.fault = lambda kind, bucket, _key: (
        Fault(status=403) if (kind, bucket) == ("list", "in") and google.requests["list"] > 1 else None
    )

    summary = await _run(hostile_mill)

    assert "no permission" in str(summary.stopped_by)
    assert summary.documents == summary.statuses[Status.OK] == 3


@pytest.mark.parametrize("missing", ["storage.objects.create", "storage.objects.get"])
async def test_a_destination_bucket_that_may_not_be_written_ends_the_run_before_it_begins(
    mill: Mill, google: FakeGcs, gcs_client: storage.Client, missing: str
) -> None:
    google.create_bucket("out")
    mill.add("a.pdf", "1")
    mill.store = GcsStore(gcs_client, Location("out", ""))
    google.denied = {missing}

    summary = await _run(mill)

    assert (summary.documents, summary.requests) == (0, 0)
    assert f"gs://out cannot be written: {missing} missing; grant it: gcloud" in str(summary.stopped_by)


async def test_a_permission_that_is_withdrawn_ends_the_run_and_keeps_what_is_written(
    mill: Mill, google: FakeGcs, gcs_client: storage.Client
) -> None:
    google.create_bucket("out")
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        mill.add(name, "2")
    mill.store = GcsStore(gcs_client, Location("out", ""))
    google.fault = lambda kind, _bucket, key: Fault(status=403) if (kind, key[:2]) == ("insert", "b.") else None

    summary = await _run(mill)

    assert "gs://out/b.pdf/pages/" in str(summary.stopped_by)
    assert "no permission" in str(summary.stopped_by)
    assert not any(name.startswith("b.pdf") for name in google.buckets["out"])

    google.fault = lambda *_: None
    again = await _run(mill)

    assert again.complete
    assert again.requests + again.reused == again.pages == 6
