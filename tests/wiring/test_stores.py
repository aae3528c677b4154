from __future__ import annotations

from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.config.run import Settings
from pagemill.errors import StoreUnusable, UsageError
from pagemill.ports import DocumentSource
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.local_source import ListedSource, LocalSource
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.stores import open_destination, open_source
from tests.fakes.gcs import FakeGcs


def _no_client() -> storage.Client:
    raise AssertionError("a local source asks for Google credentials")


def _source(source: str | Path, client: storage.Client | None = None) -> DocumentSource:
    parameters = OcrBatchParameters(source=str(source), destination="out")
    return open_source(parameters, Settings(), (lambda: client) if client else _no_client)


def test_a_bucket_a_folder_and_a_pdf_are_distinguished(tmp_path: Path, gcs_client: storage.Client) -> None:
    assert isinstance(_source("gs://bucket/in", gcs_client), GcsSource)
    assert isinstance(_source(tmp_path), LocalSource)
    assert isinstance(_source(tmp_path / "a.pdf"), LocalSource)


@pytest.mark.parametrize("first", ["gs://bucket/a.pdf", "# objects\n\ngs://bucket/in/\nb.pdf"])
def test_a_list_that_begins_with_an_object_is_a_list_of_objects(
    tmp_path: Path, gcs_client: storage.Client, first: str
) -> None:
    (tmp_path / "list.txt").write_text(f"{first}\n")

    assert isinstance(_source(tmp_path / "list.txt", gcs_client), GcsListedSource)


def test_a_source_in_a_bucket_that_ends_in_txt_is_a_list_and_with_a_slash_a_prefix(gcs_client: storage.Client) -> None:
    assert isinstance(_source("gs://bucket/today.txt", gcs_client), GcsListedSource)
    assert isinstance(_source("gs://bucket/today.txt/", gcs_client), GcsSource)


@pytest.mark.parametrize("first", ["a.pdf\ngs://bucket/a.pdf", "# gs://bucket/a.pdf", ""])
def test_any_other_list_is_a_list_of_files(tmp_path: Path, first: str) -> None:
    (tmp_path / "list.txt").write_text(f"{first}\n")

    assert isinstance(_source(tmp_path / "list.txt"), ListedSource)
    assert isinstance(_source(tmp_path / "missing.txt"), ListedSource)


@pytest.mark.parametrize("source", ["s3://bucket/in", "gs://", "gs://-/a"])
def test_an_unknown_kind_of_source_is_wrong_usage(source: str, gcs_client: storage.Client) -> None:
    with pytest.raises(UsageError):
        _source(source, gcs_client)


@pytest.mark.parametrize("destination", ["{}", "{}/", "{}/../in", "{}/link"])
def test_the_source_itself_is_no_destination_and_a_folder_in_it_is_not_searched(
    tmp_path: Path, destination: str
) -> None:
    folder = tmp_path / "in"
    (folder / "text").mkdir(parents=True)
    (folder / "link").symlink_to(folder)
    (folder / "a.pdf").write_bytes(b"%PDF-")
    (folder / "text" / "left.pdf").write_bytes(b"%PDF-")
    same = OcrBatchParameters(source=str(folder), destination=destination.format(folder))

    with pytest.raises(UsageError, match="choose another destination, for example") as error:
        open_source(same, Settings(), _no_client)

    advised = same.model_copy(update={"destination": str(error.value).rpartition("for example ")[2]})
    assert [entry.key for entry in open_source(advised, Settings(), _no_client).documents()] == ["a.pdf"]


def test_a_destination_above_the_source_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "in" / "text").mkdir(parents=True)
    (tmp_path / "in" / "text" / "a.pdf").write_bytes(b"%PDF-")
    above = OcrBatchParameters(source=str(tmp_path / "in"), destination=str(tmp_path))

    assert [entry.key for entry in open_source(above, Settings(), _no_client).documents()] == ["text/a.pdf"]


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("gs://scans/in", "gs://scans/in"),
        ("gs://scans/in/", "gs://scans/in"),
        ("gs://scans", "gs://scans/"),
        ("gs://scans/a.pdf", "gs://scans/a.pdf/"),
    ],
)
def test_a_prefix_is_not_its_own_destination(source: str, destination: str) -> None:
    same = OcrBatchParameters(source=source, destination=destination)

    with pytest.raises(UsageError, match=r"are the same, gs://scans.*, for example gs://scans.*/text"):
        open_source(same, Settings(), _no_client)


def test_results_below_the_prefix_of_the_source_are_no_documents(google: FakeGcs, gcs_client: storage.Client) -> None:
    google.create_bucket("scans")
    google.put("scans", "in/a.pdf", b"%PDF-")
    google.put("scans", "in/text/a.pdf/document.md", b"text", "text/markdown")
    google.put("scans", "in/text/a.pdf/manifest.json", b"{}", "application/json")
    below = OcrBatchParameters(source="gs://scans/in", destination="gs://scans/in/text", include="*")

    assert [entry.key for entry in open_source(below, Settings(), lambda: gcs_client).documents()] == ["a.pdf"]


@pytest.mark.parametrize("destination", ["{}", "{}/link", "{}/deep/.."])
def test_the_folder_of_a_single_pdf_is_not_its_destination(tmp_path: Path, destination: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-")
    beside = OcrBatchParameters(source=str(tmp_path / "a.pdf"), destination=destination.format(tmp_path))

    with pytest.raises(UsageError, match=r"would need a folder of that name in .*, where the file itself is"):
        open_source(beside, Settings(), _no_client)
    with pytest.raises(UsageError, match="are the same"):
        open_source(beside.model_copy(update={"destination": beside.source}), Settings(), _no_client)


def test_a_folder_of_results_that_a_list_leads_to_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "in" / "text").mkdir(parents=True)
    for name in ("in/a.pdf", "in/text/left.pdf"):
        (tmp_path / name).write_bytes(b"%PDF-")
    (tmp_path / "list.txt").write_text("in\n")
    parameters = OcrBatchParameters(source=str(tmp_path / "list.txt"), destination=str(tmp_path / "in" / "text"))

    assert [entry.key for entry in open_source(parameters, Settings(), _no_client).documents()] == ["in/a.pdf"]


def _open(parameters: OcrBatchParameters) -> None:
    open_source(parameters, Settings(), _no_client)
    open_destination(parameters.destination, _no_client).check_writable()


@pytest.mark.parametrize(
    "path",
    ["{}/nul\0", "{}/loop", "{}/" + "x" * 5000, "{}/loop/list.txt", "{}/nul\0.txt"],
    ids=["a NUL", "a circle", "long", "a list in a circle", "a list with a NUL"],
)
def test_a_path_that_cannot_be_is_refused_in_words(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    there, here = OcrBatchParameters(source=path.format(tmp_path), destination=str(tmp_path)), str(tmp_path)

    with pytest.raises((UsageError, StoreUnusable)):
        list(open_source(there, Settings(), _no_client).documents())
    with pytest.raises((UsageError, StoreUnusable)):
        _open(OcrBatchParameters(source=here, destination=there.source))
