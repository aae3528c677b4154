"""Whole batches over a fake Google Cloud Storage, through the real client."""

from __future__ import annotations

import pytest
from google.cloud import storage

from pagemill.domain.pages.model import Status
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.gcs.store import GcsStore
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs
from tests.fakes.ocr_endpoint import FakeEndpoint


@pytest.fixture
def bucket_mill(mill: Mill, google: FakeGcs, gcs_client: storage.Client) -> Mill:
    for name in ("in", "out"):
        google.create_bucket(name)
    mill.documents = GcsSource(gcs_client, Location("in", "scans"), largest_bytes=2**20)
    mill.store = GcsStore(gcs_client, Location("out", "text"))
    return mill


@pytest.mark.slow
async def test_300_objects_are_read_once_and_replaced_objects_again(bucket_mill: Mill, google: FakeGcs) -> None:
    for number in range(300):
        google.put("in", f"scans/{number % 7}/{number % 3}/{number:03}.pdf", b"1" if number else b"2")

    async with FakeEndpoint() as endpoint:
        first = await bucket_mill.run(endpoint)
        second = await bucket_mill.run(endpoint)
        google.put("in", "scans/0/0/000.pdf", b"2 ")
        google.put("in", "scans/1/1/001.pdf", b"1 ")
        third = await bucket_mill.run(endpoint)

    assert (first.documents, first.pages, first.requests) == (300, 301, 301)
    assert first.statuses[Status.OK] == 301
    assert (second.requests, second.reused) == (0, 301)
    assert (third.requests, third.reused) == (3, 298)
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
