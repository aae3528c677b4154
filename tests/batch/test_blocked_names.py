"""A name that cannot be used at the destination costs its own document, whatever else is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.store import GcsStore
from pagemill.storage.local_source import ListedSource
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs
from tests.fakes.ocr_endpoint import FakeEndpoint


def _file(path: Path) -> None:
    path.write_text("somebody's")


def _lost_link(path: Path) -> None:
    path.symlink_to("nowhere")


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _pipe_as_manifest(path: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "manifest.json")


def _file_as_checkpoints(path: Path) -> None:
    path.mkdir()
    (path / "pages").write_text("somebody's")


def _folder_as_text(path: Path) -> None:
    (path / "document.md").mkdir(parents=True)


_BLOCKED = [_file, _lost_link, _circle, _pipe_as_manifest, _file_as_checkpoints, _folder_as_text]


async def _run(mill: Mill) -> RunSummary:
    async with FakeEndpoint() as endpoint:
        return await mill.run(endpoint)


@pytest.mark.parametrize("block", _BLOCKED)
async def test_a_name_at_the_destination_costs_its_document(mill: Mill, block: Callable[[Path], None]) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        mill.add(name, "2")
    mill.out.mkdir()
    block(mill.out / "b.pdf")

    summary = await _run(mill)

    assert summary.stopped_by is None
    assert [bool(outcome.error) for outcome in summary.outcomes] == [False, True, False]
    assert summary.statuses[Status.OK] == 4 == sum(outcome.pages for outcome in summary.outcomes)


@pytest.mark.parametrize("block", _BLOCKED)
async def test_a_name_at_the_destination_stops_nothing_although_its_document_is_unreadable(
    mill: Mill, block: Callable[[Path], None], tmp_path: Path
) -> None:
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        mill.add(name, "rubbish" if name == "b.pdf" else "2")
    mill.out.mkdir()
    block(mill.out / "b.pdf")

    summary = await _run(mill)

    assert summary.stopped_by is None
    assert [bool(outcome.error) for outcome in summary.outcomes] == [False, True, False]
    (tmp_path / "list.txt").write_text("in/a.pdf\nout/missing\nin/c.pdf\n")
    block(mill.out / "out")
    mill.documents = ListedSource(tmp_path / "list.txt")
    assert (await _run(mill)).stopped_by is None


async def test_a_name_that_a_bucket_refuses_costs_its_document(
    mill: Mill, google: FakeGcs, gcs_client: storage.Client
) -> None:
    google.create_bucket("out")
    mill.store = GcsStore(gcs_client, Location("out", "p" * 700))
    long = "/".join(["k" * 150] * 3)
    mill.add(f"{long}/a.pdf", "1")
    mill.add(f"{long}/b.pdf", "rubbish")
    mill.add("c.pdf", "1")

    summary = await _run(mill)

    assert summary.stopped_by is None
    assert {outcome.key: bool(outcome.error) for outcome in summary.outcomes} == {
        f"{long}/a.pdf": True,
        f"{long}/b.pdf": True,
        "c.pdf": False,
    }
