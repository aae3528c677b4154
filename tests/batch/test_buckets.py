"""Whole batches over a fake Google Cloud Storage, through the real client."""

from __future__ import annotations

import json

import pytest
from google.cloud import storage

from pagemill.domain.pages.model import Status
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.gcs.store import GcsStore
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs, Fault
from tests.fakes.ocr_endpoint import FakeEndpoint


@pytest.fixture
def bucket_mill(mill: Mill, google: FakeGcs, gcs_client: storage.Client) -> Mill:
    for name in ("in", "out"):
        google.create_bucket(name)
    mill.documents = GcsSource(gcs_client, Location("in", "scans"), largest_bytes=2**20)
    mill.store = GcsStore(gcs_client, Location("out", "text"))
    return mill


@pytest.mark.slow
async def test_100_objects_are_read_once_and_replaced_objects_again(bucket_mill: Mill, google: FakeGcs) -> None:
    for number in range(100):
        google.put("in", f"scans/{number % 7}/{number % 3}/{number:03}.pdf", b"1" if number else b"2")

    async with FakeEndpoint() as endpoint:
        first = await bucket_mill.run(endpoint)
        second = await bucket_mill.run(endpoint)
        google.put("in", "scans/0/0/000.pdf", b"2 ")
        google.put("in", "scans/1/1/001.pdf", b"1 ")
        third = await bucket_mill.run(endpoint)

    assert (first.documents, first.pages, first.requests) == (100, 101, 101)
    assert first.statuses[Status.OK] == 101
    assert (second.requests, second.reused) == (0, 101)
    assert (third.requests, third.reused) == (3, 98)
    markdown = google.get("out", "text/0/0/000.pdf/document.md")
    assert markdown
    assert markdown.decode().count("<!-- page ") == 2
    assert google.get("out", "text/_runs/test-run/summary.json")


async def test_a_restarted_document_lists_its_checkpoints_once(bucket_mill: Mill, google: FakeGcs) -> None:
    google.put("in", "scans/a.pdf", b"40")
    async with FakeEndpoint() as endpoint:
        await bucket_mill.run(endpoint, pages="1-30")
        google.requests.clear()
        summary = await bucket_mill.run(endpoint)

    assert (summary.requests, summary.reused) == (10, 30)
    assert google.requests["list"] == 2  # the documents, and the checkpoints


async def test_a_damaged_checkpoint_in_a_bucket_is_replaced_and_a_text_that_is_gone_written_again(
    bucket_mill: Mill, google: FakeGcs
) -> None:
    google.put("in", "scans/a.pdf", b"3")
    async with FakeEndpoint() as endpoint:
        await bucket_mill.run(endpoint)
        (checkpoint,) = (name for name in google.buckets["out"] if name.endswith("/00002.json"))
        good = google.get("out", checkpoint)
        google.put("out", checkpoint, b"[" * 100_000)
        google.delete("out", "text/a.pdf/pages.jsonl")
        summary = await bucket_mill.run(endpoint)
        google.requests.clear()
        last = await bucket_mill.run(endpoint)

    assert (summary.requests, summary.reused, summary.complete) == (1, 2, True)
    assert json.loads(google.get("out", checkpoint) or b"")["markdown"] == json.loads(good or b"")["markdown"]
    assert (google.get("out", "text/a.pdf/pages.jsonl") or b"").count(b"\n") == 3
    assert (last.requests, last.reused) == (0, 3)
    assert google.requests["list"] == 2  # the documents, and the sizes of the texts


async def test_a_finished_object_that_may_not_be_read_for_now_keeps_its_manifest(
    bucket_mill: Mill, google: FakeGcs
) -> None:
    google.put("in", "scans/a.pdf", b"1")
    async with FakeEndpoint() as endpoint:
        await bucket_mill.run(endpoint)
        manifest = google.get("out", "text/a.pdf/manifest.json")
        google.put("in", "scans/a.pdf", b"1 ")
        google.fault = lambda kind, bucket, _: Fault(403) if (kind, bucket) == ("media", "in") else None
        summary = await bucket_mill.run(endpoint)

    assert "no permission" in summary.outcomes[0].error
    assert google.get("out", "text/a.pdf/manifest.json") == manifest


async def test_uploads_that_were_replaced_or_deleted_are_findings_and_fail_nothing(
    bucket_mill: Mill, google: FakeGcs, gcs_client: storage.Client
) -> None:
    old, new = google.put("in", "a.pdf", b"1"), google.put("in", "b.pdf", b"2")
    google.put("in", "a.pdf", b"1 ")
    lines = f"gs://in/a.pdf\t{old}\ngs://in/gone.pdf\t17\ngs://in/b.pdf\t{new}\n"
    google.put("out", "today.txt", lines.encode())
    bucket_mill.documents = GcsListedSource(gcs_client, Location("out", "today.txt"), largest_bytes=2**20)

    async with FakeEndpoint() as endpoint:
        async with bucket_mill.batch(endpoint.url) as batch:
            survey = await batch.documents.survey()
        summary = await bucket_mill.run(endpoint)

    assert (summary.complete, summary.requests, summary.trouble) == (True, 2, "")
    found = {outcome.key: outcome.findings for outcome in summary.outcomes}
    assert found == {document.key: document.findings for document in survey}
    assert found == {
        "in/a.pdf": ("line 1 of gs://out/today.txt: replaced since it was uploaded; the new one is in its list",),
        "in/gone.pdf": ("line 2 of gs://out/today.txt: deleted since it was uploaded",),
        "in/b.pdf": (),
    }
    assert not google.get("out", "text/in/gone.pdf/manifest.json")
