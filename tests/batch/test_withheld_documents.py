"""What a source does not hand out is the trouble of the source if it hands out nothing; else of each document."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.batch.chunks import BatchLimits
from pagemill.cli.support import ExitCode, exit_code
from pagemill.domain.pages.summary import RunSummary
from pagemill.errors import StoreUnusable
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.source import GcsSource
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs, Fault
from tests.fakes.ocr_endpoint import FakeEndpoint


async def _run(mill: Mill) -> RunSummary:
    async with FakeEndpoint() as endpoint:
        return await mill.run(endpoint)


def _errors(summary: RunSummary) -> dict[str, str]:
    return {outcome.key: outcome.error for outcome in summary.outcomes}


def _misnamed(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).write_bytes(b"%PDF-1.7\n")


def _pipes(folder: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        os.mkfifo(folder / name)


def _links(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).symlink_to("/")


@pytest.mark.parametrize("put", [_misnamed, _pipes, _links])
async def test_documents_that_are_each_bad_in_themselves_are_each_named_and_do_not_stop_the_run(
    mill: Mill, put: object
) -> None:
    assert callable(put)
    put(mill.source)

    summary = await _run(mill)

    assert len(_errors(summary)) == 2
    assert all(_errors(summary).values())
    assert (exit_code(summary), summary.stopped_by) == (ExitCode.FAILURES, None)


@pytest.fixture
def bucket(mill: Mill, google: FakeGcs, gcs_client: storage.Client) -> FakeGcs:
    """Three objects, none of which may be read; they may be listed."""
    google.create_bucket("in")
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        google.put("in", name, b"1")
    google.fault = lambda kind, *_: Fault(403) if kind in {"media", "get"} else None
    mill.documents = GcsSource(gcs_client, Location("in", ""), largest_bytes=2**20)
    return google


async def test_a_bucket_whose_objects_may_be_listed_but_not_read_stops_the_run_and_blames_no_document(
    mill: Mill, bucket: FakeGcs
) -> None:
    summary = await _run(mill)

    assert exit_code(summary) is ExitCode.STORE_UNUSABLE
    assert "none of its 3 documents can be read, all for the same reason: no permission" in str(summary.stopped_by)
    assert "add-iam-policy-binding gs://in" in str(summary.stopped_by)
    assert [(outcome.finished, outcome.error) for outcome in summary.outcomes] == [(False, "")] * 3
    assert not list(mill.out.rglob("manifest.json"))
    bucket.fault = lambda *_: None
    assert (await _run(mill)).complete


async def test_a_list_of_objects_none_of_which_may_be_read_names_the_common_reason(
    mill: Mill, bucket: FakeGcs, gcs_client: storage.Client, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("gs://in/a.pdf\ngs://in/b.pdf\n")
    mill.documents = GcsListedSource(gcs_client, tmp_path / "list.txt", largest_bytes=2**20)

    summary = await _run(mill)

    assert "none of its 2 documents can be read, all for the same reason: no permission" in str(summary.stopped_by)
    assert not list(mill.out.rglob("manifest.json"))
    assert bucket.requests["get"] == 2


@pytest.mark.parametrize("readable", ["a.pdf", "b.pdf", "c.pdf"])
async def test_if_one_object_may_be_read_the_others_fail_for_their_own_reasons(
    mill: Mill, bucket: FakeGcs, readable: str
) -> None:
    bucket.fault = lambda kind, _, key: Fault(403) if kind == "media" and key != readable else None

    summary = await _run(mill)

    errors = _errors(summary)
    assert exit_code(summary) is ExitCode.FAILURES
    assert errors.pop(readable) == ""
    assert len(errors) == 2
    assert all("no permission" in error for error in errors.values())


async def test_one_object_that_may_not_be_read_beside_misnamed_ones_fails_alone(mill: Mill, bucket: FakeGcs) -> None:
    for name in ("b.pdf", "c.pdf"):
        bucket.delete("in", name)
    bucket.put("in", "b.pdf.1", b"1", content_type="application/octet-stream")

    summary = await _run(mill)

    assert sorted(_errors(summary)) == ["a.pdf", "b.pdf.1"]
    assert exit_code(summary) is ExitCode.FAILURES


async def test_an_object_that_may_be_read_a_moment_later_is_read_by_the_same_run(mill: Mill, bucket: FakeGcs) -> None:
    refused: list[str] = []

    def fault(kind: str, _: str, key: str) -> Fault | None:
        if kind == "media" and key == "a.pdf" and not refused:
            refused.append(key)
            return Fault(403)
        return None

    bucket.fault = fault
    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint, limits=BatchLimits(documents=1))

    assert summary.complete


async def test_a_dry_run_over_a_bucket_that_may_not_be_read_says_so_once(mill: Mill, bucket: FakeGcs) -> None:
    async with mill.batch("http://unused") as batch:
        with pytest.raises(StoreUnusable, match="none of its 3 documents can be read"):
            await batch.documents.survey()
    assert bucket.requests["media"] == 3


async def test_a_file_beside_a_finished_one_that_may_not_be_read_fails_alone(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        mill.add(name, "1")
    await _run(mill)
    opener = os.open

    def refuse(path: str, *arguments: int) -> int:
        if str(path).endswith(("b.pdf", "c.pdf")):
            raise PermissionError(13, "Permission denied")
        return opener(path, *arguments)

    monkeypatch.setattr("pagemill.storage.local_source.without_waiting", refuse)
    shutil.rmtree(mill.out / "b.pdf")

    summary = await _run(mill)

    assert {key for key, error in _errors(summary).items() if "Permission denied" in error} == {"b.pdf", "c.pdf"}
    assert summary.stopped_by is None
