from __future__ import annotations

from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.config.run import Settings
from pagemill.errors import UsageError
from pagemill.orchestration.parameters import OcrBatchParameters
from pagemill.orchestration.stores import open_source
from pagemill.ports import DocumentSource
from pagemill.storage.gcs.list import GcsListedSource
from pagemill.storage.gcs.source import GcsSource
from pagemill.storage.local_source import ListedSource, LocalSource


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
