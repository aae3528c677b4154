"""Files that change between their listing and their last page."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Document
from pagemill.errors import DocumentChanged
from pagemill.storage import files
from pagemill.storage.local_source import LocalSource

OLD, NEW = b"the old bytes", b"the new bytes"  # of one length


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.pdf"
    path.write_bytes(OLD)
    return path


def _listed(source: LocalSource) -> Document:
    (document,) = source.documents()
    assert isinstance(document, Document)
    return document


def _replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(NEW)
    other.rename(file)


def _overwrite(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.write(NEW)


def _overwrite_and_reset_its_time(file: Path) -> None:
    before = file.stat()
    _overwrite(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _truncate(file: Path) -> None:
    os.truncate(file, 3)


def _append(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


IN_PLACE = [_overwrite, _overwrite_and_reset_its_time, _truncate, _append]


@pytest.mark.parametrize("change", [*IN_PLACE, _replace, Path.unlink])
def test_a_change_between_listing_and_opening_is_noticed(file: Path, change: Callable[[Path], object]) -> None:
    source = LocalSource(file.parent)
    document = _listed(source)
    change(file)

    with pytest.raises(DocumentChanged, match=r"changed after it was listed|deleted after the run"):
        source.local_copy(document).__enter__()


@pytest.mark.parametrize("change", IN_PLACE)
def test_a_change_in_place_is_noticed_and_is_never_forgotten(file: Path, change: Callable[[Path], object]) -> None:
    source = LocalSource(file.parent)
    with source.local_copy(_listed(source)) as copy:
        copy.check()
        change(file)

        for _ in range(2):
            with pytest.raises(DocumentChanged, match="changed or replaced while it was read; run again"):
                copy.check()
            file.write_bytes(OLD)


@pytest.mark.parametrize("change", [_replace, Path.unlink])
def test_a_file_whose_name_is_replaced_or_deleted_is_read_to_its_end(
    file: Path, change: Callable[[Path], object]
) -> None:
    source = LocalSource(file.parent)
    with source.local_copy(_listed(source)) as copy:
        change(file)

        copy.check()
        assert copy.path.read_bytes() == OLD


def _no_descriptor(_file: object) -> None:
    """As on systems without /proc."""


@pytest.mark.parametrize("change", [*IN_PLACE, _replace, Path.unlink])
def test_where_files_are_opened_by_name_the_name_must_lead_to_the_same_file(
    file: Path, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_descriptor", _no_descriptor)
    source = LocalSource(file.parent)
    with source.local_copy(_listed(source)) as copy:
        copy.check()
        assert copy.path.read_bytes() == OLD
        change(file)

        with pytest.raises(DocumentChanged, match="changed or replaced while it was read"):
            copy.check()


def test_a_file_that_is_touched_renamed_or_linked_is_the_same_document(file: Path) -> None:
    source = LocalSource(file.parent)
    document = _listed(source)
    file.touch()
    with source.local_copy(document) as copy:
        file.chmod(0o640)
        copy.check()
        (file.parent / "link").hardlink_to(file)
        copy.check()
        file.rename(file.with_name("b.pdf"))
        copy.check()


def test_a_document_that_another_machine_has_listed_is_checked_by_its_bytes(file: Path) -> None:
    source = LocalSource(file.parent)
    listed = _listed(source)
    document = Document(listed.key, listed.version, listed.size_bytes, listed.location)
    with source.local_copy(document) as copy:
        copy.check()
    _overwrite(file)

    with pytest.raises(DocumentChanged):
        source.local_copy(document).__enter__()


def test_no_two_documents_have_the_same_path_although_descriptors_are_numbered_anew(file: Path) -> None:
    source = LocalSource(file.parent)
    document = _listed(source)
    paths = set()
    for _ in range(3):
        with source.local_copy(document) as copy:
            paths.add(copy.path)

    assert len(paths) == 3
    assert not any(path.parent.exists() for path in paths)


def test_a_full_temporary_folder_costs_no_document(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    source = LocalSource(file.parent)
    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    with source.local_copy(_listed(source)) as copy:
        assert copy.path == file
        _replace(file)
        with pytest.raises(DocumentChanged):
            copy.check()
