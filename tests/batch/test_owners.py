"""Documents of several sources with one name: the results of one are never written over the other's."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import storage

from pagemill.domain.pages.model import Document, Recipe, RejectedEntry, Status
from pagemill.domain.pages.summary import RunSummary
from pagemill.ports import DocumentSource
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.gcs.store import GcsStore
from pagemill.storage.local_source import ListedSource, LocalSource
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs
from tests.fakes.ocr_endpoint import MODEL, FakeEndpoint


async def _run(mill: Mill) -> RunSummary:
    async with FakeEndpoint() as endpoint:
        return await mill.run(endpoint)


def _errors(summary: RunSummary) -> dict[str, str]:
    return {outcome.key: outcome.error for outcome in summary.outcomes if outcome.error}


def _texts(folder: Path) -> dict[str, bytes]:
    """All files of a destination except the records of runs."""
    files = (path for path in folder.rglob("*") if path.is_file() and "_runs" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _manifest(path: Path) -> Any:
    return json.loads((path / "manifest.json").read_bytes())


@pytest.fixture
def two_years(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders, each with an `invoice.pdf` of its own."""
    for year, pages in (("2023", "1"), ("2024", "2")):
        (tmp_path / year).mkdir()
        (tmp_path / year / "invoice.pdf").write_text(pages)
    return tmp_path / "2023", tmp_path / "2024"


@pytest.mark.parametrize("as_file", [True, False], ids=["files", "folders"])
async def test_a_local_document_of_the_same_name_is_refused_and_the_results_stay(
    mill: Mill, two_years: tuple[Path, Path], *, as_file: bool
) -> None:
    one, other = (folder / "invoice.pdf" if as_file else folder for folder in two_years)
    mill.documents = LocalSource(one)
    await _run(mill)
    before = _texts(mill.out)
    mill.documents = LocalSource(other)

    summary = await _run(mill)

    error = _errors(summary)["invoice.pdf"]
    assert error.startswith(
        f"{mill.out}/invoice.pdf holds the results of {two_years[0]}/invoice.pdf, not of {two_years[1]}/invoice.pdf; "
    )
    assert (summary.requests, summary.stopped_by) == (0, None)
    assert _texts(mill.out) == before


async def test_another_destination_and_the_command_in_the_message_are_ways_out(
    mill: Mill, two_years: tuple[Path, Path], tmp_path: Path
) -> None:
    mill.documents = LocalSource(two_years[0])
    await _run(mill)
    mill.documents = LocalSource(two_years[1])
    error = _errors(await _run(mill))["invoice.pdf"]

    first_out, mill.out = mill.out, tmp_path / "out 2"
    assert (await _run(mill)).complete
    mill.out = first_out
    await asyncio.to_thread(subprocess.run, shlex.split(error.partition("type: ")[2]), check=True)
    summary = await _run(mill)

    assert summary.complete
    assert summary.pages == 2
    assert _manifest(mill.out / "invoice.pdf")["document"]["source"] == (two_years[1] / "invoice.pdf").as_uri()


async def test_a_folder_that_was_moved_is_not_read_again(mill: Mill, tmp_path: Path) -> None:
    mill.add("a.pdf", "2")
    await _run(mill)
    mill.documents = LocalSource(mill.source.rename(tmp_path / "moved"))

    summary = await _run(mill)

    assert summary.complete
    assert (summary.requests, summary.reused) == (0, 2)


async def test_a_new_version_of_the_same_file_replaces_its_results(mill: Mill) -> None:
    mill.add("a.pdf", "1")
    await _run(mill)
    mill.add("a.pdf", "3")

    assert (await _run(mill)).pages == 3
    assert _manifest(mill.out / "a.pdf")["pages"] == 3


async def test_a_manifest_without_a_source_is_accepted(mill: Mill) -> None:
    """Versions of pagemill before this one wrote no source."""
    mill.add("a.pdf", "1")
    await _run(mill)
    manifest = _manifest(mill.out / "a.pdf")
    del manifest["document"]["source"]
    (mill.out / "a.pdf" / "manifest.json").write_text(json.dumps(manifest))

    assert (await _run(mill)).requests == 0
    mill.add("a.pdf", "2")
    assert (await _run(mill)).complete


async def test_a_document_that_fails_leaves_another_sources_manifest_alone(
    mill: Mill, two_years: tuple[Path, Path]
) -> None:
    mill.documents = LocalSource(two_years[0])
    await _run(mill)
    before = _texts(mill.out)
    (two_years[1] / "invoice.pdf").write_text("rubbish")
    mill.documents = LocalSource(two_years[1])

    assert "holds the results of" in _errors(await _run(mill))["invoice.pdf"]
    assert _texts(mill.out) == before


@pytest.fixture
def buckets(google: FakeGcs) -> FakeGcs:
    for name in ("in", "other", "out"):
        google.create_bucket(name)
    google.put("in", "2023/invoice.pdf", b"1")
    google.put("in", "2024/invoice.pdf", b"2")
    google.put("other", "2024/invoice.pdf", b"3")
    return google


def _gcs(client: storage.Client, bucket: str, prefix: str) -> GcsSource:
    return GcsSource(client, Location(bucket, prefix), largest_bytes=2**20)


async def test_uploads_of_one_name_have_folders_of_their_own_which_a_run_over_the_bucket_shares(
    mill: Mill, buckets: FakeGcs, gcs_client: storage.Client
) -> None:
    mill.store = GcsStore(gcs_client, Location("out", ""))
    for name in ("2023/invoice.pdf", "2024/invoice.pdf"):
        mill.documents = _gcs(gcs_client, "in", name)
        assert (await _run(mill)).complete

    manifests = {name for name in buckets.buckets["out"] if name.endswith("manifest.json")}
    assert manifests == {"2023/invoice.pdf/manifest.json", "2024/invoice.pdf/manifest.json"}
    mill.documents = _gcs(gcs_client, "in", "")
    assert (await _run(mill)).requests == 0


@pytest.mark.parametrize("source", ["other bucket", "other prefix", "folder"])
async def test_an_object_of_the_same_key_in_another_place_is_refused(
    mill: Mill, buckets: FakeGcs, gcs_client: storage.Client, source: str
) -> None:
    mill.store = GcsStore(gcs_client, Location("out", "text"))
    mill.documents = _gcs(gcs_client, "in", "2024")
    await _run(mill)
    before = dict(buckets.buckets["out"])
    mill.add("invoice.pdf", "5")
    sources: dict[str, DocumentSource] = {
        "other bucket": _gcs(gcs_client, "other", "2024"),
        "other prefix": _gcs(gcs_client, "in", "2023"),
        "folder": LocalSource(mill.source),
    }
    mill.documents = sources[source]

    error = _errors(await _run(mill))["invoice.pdf"]

    assert "gs://out/text/invoice.pdf holds the results of gs://in/2024/invoice.pdf, not of " in error
    assert error.endswith("type: gcloud storage rm gs://out/text/invoice.pdf/manifest.json")
    written = {name: value for name, value in buckets.buckets["out"].items() if "_runs" not in name}
    assert written == {name: value for name, value in before.items() if "_runs" not in name}


async def test_an_object_in_a_list_is_the_object_of_its_bucket(
    mill: Mill, buckets: FakeGcs, gcs_client: storage.Client, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("gs://in/2024/invoice.pdf\ngs://other/2024/\n")
    mill.documents = GcsListedSource(gcs_client, tmp_path / "list.txt", largest_bytes=2**20)

    assert (await _run(mill)).complete
    assert _manifest(mill.out / "in/2024/invoice.pdf")["document"]["source"] == "gs://in/2024/invoice.pdf"
    assert _manifest(mill.out / "other/2024/invoice.pdf")["document"]["source"] == "gs://other/2024/invoice.pdf"
    assert buckets.requests["list"]


async def test_a_dry_run_says_what_would_be_refused(mill: Mill, two_years: tuple[Path, Path]) -> None:
    mill.documents = LocalSource(two_years[0])
    await _run(mill)
    mill.documents = LocalSource(two_years[1])

    async with mill.batch("http://unused") as batch:
        (surveyed,) = await batch.documents.survey()

    assert "holds the results of" in surveyed.error


class _FoldingStore(LocalStore):
    """A file system that does not tell some names apart, as macOS's and Windows' do not."""

    def __init__(self, root: Path, *, case: bool = False, accents: bool = False) -> None:
        super().__init__(root)
        self._case, self._accents = case, accents

    def _path(self, key: str) -> Path:
        key = key.casefold() if self._case else key
        return super()._path(unicodedata.normalize("NFD", key) if self._accents else key)


class _Named:
    """A source of documents that it does not have itself."""

    name = "names"

    def __init__(self, source: LocalSource, keys: list[str]) -> None:
        self.images = source.images
        self._source, self._keys = source, keys

    def documents(self) -> Iterator[Document | RejectedEntry]:
        for number, entry in enumerate(self._source.documents()):
            assert isinstance(entry, Document)
            yield Document(self._keys[number], entry.version, entry.size_bytes, entry.location)

    def local_copy(self, document: Document) -> Any:
        return self._source.local_copy(document)


@pytest.mark.parametrize(
    ("folds", "twins"),
    [
        ({"case": True}, ["A.pdf", "a.pdf"]),
        ({"case": True}, ["Folder/a.pdf", "folder/A.PDF"]),
        ({"accents": True}, ["gr\u00f6\u00dfe.pdf", "gro\u0308\u00dfe.pdf"]),
        ({"case": True, "accents": True}, ["GR\u00d6\u00dfe.pdf", "gro\u0308\u00dfe.pdf"]),
    ],
)
async def test_of_two_names_that_the_destination_takes_for_one_the_second_is_refused_by_name(
    mill: Mill, folds: dict[str, bool], twins: list[str]
) -> None:
    mill.add("1.pdf", "1")
    mill.add("2.pdf", "2")
    mill.add("3.pdf", "3")
    mill.documents = _Named(LocalSource(mill.source), [*twins, "another.pdf"])
    mill.store = _FoldingStore(mill.out, **folds)

    summary = await _run(mill)

    ((key, error),) = _errors(summary).items()
    assert key == twins[1]
    assert error.startswith(f"the destination does not tell {twins[1]!a} from {twins[0]!a}")
    assert summary.statuses[Status.OK] == 4


async def test_twins_stay_apart_where_the_destination_tells_them_apart(mill: Mill) -> None:
    twins = ["A.pdf", "a.pdf", "gr\u00f6\u00dfe.pdf", "gro\u0308\u00dfe.pdf"]
    for number, name in enumerate(twins, start=1):
        mill.add(name, str(number))

    summary = await _run(mill)

    assert summary.complete
    assert summary.documents == len(list(mill.source.iterdir()))


async def test_names_of_raw_bytes_that_print_alike_have_folders_of_their_own(mill: Mill) -> None:
    mill.add("a\udcff.pdf", "1")
    mill.add("a\\xff.pdf", "2")

    summary = await _run(mill)

    assert summary.complete
    assert sorted(outcome.pages for outcome in summary.outcomes) == [1, 2]
    assert sorted(_manifest(path.parent)["pages"] for path in mill.out.rglob("manifest.json")) == [1, 2]


async def test_a_path_and_an_absolute_path_in_a_list_do_not_share_a_folder(mill: Mill, tmp_path: Path) -> None:
    relative = f"{str(tmp_path).lstrip('/')}/a.pdf"
    mill.add(relative, "1")
    (tmp_path / "a.pdf").write_text("2")
    (mill.source / "list.txt").write_text(f"{relative}\n/{relative}\n")
    mill.documents = ListedSource(mill.source / "list.txt")

    summary = await _run(mill)

    assert summary.statuses[Status.OK] == 1
    assert len(_errors(summary)) == 1
    assert list(mill.out.rglob("manifest.json")) == [mill.out / relative / "manifest.json"]


@pytest.mark.parametrize(
    "block",
    ["a.pdf", "a.pdf/pages", "sub"],
    ids=["the document's folder", "its folder of checkpoints", "a folder above it"],
)
async def test_a_file_where_a_folder_should_be_costs_its_document_only(mill: Mill, block: str) -> None:
    name = "sub/a.pdf" if block == "sub" else "a.pdf"
    mill.add(name, "30")
    mill.add("b.pdf", "2")
    path = mill.out / block
    path.parent.mkdir(parents=True)
    path.write_text("somebody's")

    summary = await _run(mill)

    assert summary.stopped_by is None
    assert _errors(summary) == {
        name: f"{path} is a file, and the folder of the results cannot be made there; "
        "rename it, or choose another destination"
    }
    assert path.read_text() == "somebody's"
    assert _manifest(mill.out / "b.pdf")["pages"] == 2
    path.rename(path.with_name("renamed"))
    assert (await _run(mill)).complete


@pytest.mark.parametrize("name", ["document.md", "pages.jsonl", "manifest.json"])
async def test_a_folder_where_a_file_should_be_costs_its_document_only(mill: Mill, name: str) -> None:
    mill.add("a.pdf", "2")
    mill.add("b.pdf", "2")
    (mill.out / "a.pdf" / name).mkdir(parents=True)

    summary = await _run(mill)

    assert summary.stopped_by is None
    assert list(_errors(summary)) == ["a.pdf"]
    assert f"a.pdf/{name} cannot be read: Is a directory" in _errors(summary)["a.pdf"]
    assert _manifest(mill.out / "b.pdf")["pages"] == 2


async def test_a_rejected_entry_that_is_no_document_leaves_nothing_in_the_destination(
    mill: Mill, tmp_path: Path
) -> None:
    mill.add("a.pdf", "1")
    (mill.source / "linked").symlink_to(tmp_path)

    summary = await _run(mill)

    assert list(_errors(summary)) == ["linked/"]
    assert {path.name for path in mill.out.iterdir()} == {"a.pdf", "_runs"}


_DAMAGED = [b"", b"{", bytes(500), b'{"schema": 1, "document": {"key": "invoice.pdf"', b'{"schema": 99}']


@pytest.mark.parametrize("damaged", _DAMAGED)
async def test_texts_whose_manifest_is_damaged_are_not_replaced_by_another_sources(
    mill: Mill, two_years: tuple[Path, Path], damaged: bytes
) -> None:
    mill.documents = LocalSource(two_years[0])
    await _run(mill)
    (mill.out / "invoice.pdf/manifest.json").write_bytes(damaged)
    before = _texts(mill.out)
    mill.documents = LocalSource(two_years[1])

    summary = await _run(mill)

    assert _errors(summary)["invoice.pdf"].startswith(
        f"{mill.out}/invoice.pdf holds texts with a damaged manifest, which does not say of which document they are; "
    )
    assert summary.requests == 0
    assert _texts(mill.out) == before


async def test_the_command_in_the_message_on_a_damaged_manifest_is_a_way_out(
    mill: Mill, two_years: tuple[Path, Path]
) -> None:
    mill.documents = LocalSource(two_years[0])
    await _run(mill)
    (mill.out / "invoice.pdf/manifest.json").write_bytes(b"")
    mill.documents = LocalSource(two_years[1])
    error = _errors(await _run(mill))["invoice.pdf"]

    await asyncio.to_thread(subprocess.run, shlex.split(error.partition("type: ")[2]), check=True)

    assert (await _run(mill)).complete


@pytest.mark.parametrize("model", [MODEL, "another model"])
async def test_the_documents_own_checkpoints_show_whose_a_damaged_manifest_is(mill: Mill, model: str) -> None:
    mill.add("a.pdf", "2")
    async with FakeEndpoint(model=model) as endpoint:
        await mill.run(endpoint, recipe=Recipe(model))
    (mill.out / "a.pdf/manifest.json").write_bytes(b"")

    assert (await _run(mill)).complete


async def test_a_manifest_that_says_why_its_document_was_not_read_protects_no_folder(
    mill: Mill, two_years: tuple[Path, Path]
) -> None:
    (two_years[0] / "invoice.pdf").write_text("rubbish")
    mill.documents = LocalSource(two_years[0])
    await _run(mill)
    mill.documents = LocalSource(two_years[1])

    assert (await _run(mill)).complete


async def test_a_damaged_manifest_in_a_bucket_protects_the_texts_beside_it(
    mill: Mill, buckets: FakeGcs, gcs_client: storage.Client
) -> None:
    mill.store = GcsStore(gcs_client, Location("out", "text"))
    mill.documents = _gcs(gcs_client, "in", "2024")
    await _run(mill)
    buckets.put("out", "text/invoice.pdf/manifest.json", b"{")
    before = {name: value for name, value in buckets.buckets["out"].items() if "_runs" not in name}
    mill.documents = _gcs(gcs_client, "other", "2024")

    error = _errors(await _run(mill))["invoice.pdf"]

    assert error.endswith("type: gcloud storage rm gs://out/text/invoice.pdf/manifest.json")
    assert {name: value for name, value in buckets.buckets["out"].items() if "_runs" not in name} == before
