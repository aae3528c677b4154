from __future__ import annotations

import os
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.errors import DocumentUnreadable, StoreUnusable
from pagemill.storage.lists import names_objects
from pagemill.storage.local_source import ListedSource, LocalSource


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.pdf", "a/C.PDF", "a/d.txt", ".hidden.pdf", ".git/e.pdf", "z ü#%2F.pdf"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "in"


def _keys(source: LocalSource | ListedSource) -> list[str]:
    return [entry.key for entry in source.documents()]


def test_a_folder_yields_its_pdfs_below_any_depth_and_nothing_hidden(folder: Path) -> None:
    assert _keys(LocalSource(folder)) == ["b.pdf", "z ü#%2F.pdf", "a/C.PDF"]


def test_a_single_file_is_a_document_with_any_name(folder: Path) -> None:
    assert _keys(LocalSource(folder / "a" / "d.txt")) == ["d.txt"]


@pytest.mark.parametrize(
    ("glob", "keys"), [("*.PDF", ["a/C.PDF"]), ("a/*", ["a/C.PDF"]), ("[bz]*", ["b.pdf", "z ü#%2F.pdf"])]
)
def test_include_keeps_what_matches_the_name_or_the_path(folder: Path, glob: str, keys: list[str]) -> None:
    assert _keys(LocalSource(folder, include=glob)) == keys


def test_the_version_follows_the_bytes_not_the_clock(folder: Path) -> None:
    def version() -> str:
        (entry,) = LocalSource(folder / "b.pdf").documents()
        assert isinstance(entry, Document)
        return entry.version

    before = version()
    (folder / "b.pdf").touch()
    assert version() == before

    (folder / "b.pdf").write_bytes(b"new")
    assert version() != before


@pytest.mark.parametrize("missing", ["nothing", "a/d"])
def test_a_source_that_does_not_exist_is_named(folder: Path, missing: str) -> None:
    with pytest.raises(StoreUnusable, match="no such file or folder"):
        _keys(LocalSource(folder / missing))


def test_a_folder_without_pdfs_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"no PDFs in it \(files ending in \.pdf"):
        _keys(LocalSource(tmp_path))


def test_an_include_that_matches_nothing_is_repeated(folder: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"no PDFs matching '2024/\*'"):
        _keys(LocalSource(folder, include="2024/*"))


def test_a_file_that_is_deleted_after_the_listing_fails_alone(folder: Path) -> None:
    source = LocalSource(folder)
    first = next(source.documents())
    assert isinstance(first, Document)
    (folder / "b.pdf").unlink()

    with pytest.raises(DocumentUnreadable, match="the file was deleted after the run began"), source.local_copy(first):
        pass


def test_a_list_names_files_and_folders_each_once(folder: Path) -> None:
    listing = folder / "list.txt"
    listing.write_text("# two of them\n\nb.pdf\n  a  \nb.pdf\n")
    source = ListedSource(listing)

    assert _keys(source) == ["b.pdf", "a/C.PDF"]


def test_a_wrong_line_of_a_list_is_named_and_fails_alone(folder: Path) -> None:
    listing = folder / "list.txt"
    listing.write_text("b.pdf\nnot/here.pdf\n")

    rejected = list(ListedSource(listing).documents())[1]

    assert isinstance(rejected, RejectedEntry)
    assert rejected.key == "not/here.pdf"
    assert rejected.reason.startswith("line 2 of ")


def test_a_document_outside_the_lists_folder_is_known_by_its_whole_path(folder: Path, tmp_path: Path) -> None:
    listing = folder / "list.txt"
    (tmp_path / "outside.pdf").write_bytes(b"x")
    listing.write_text("../outside.pdf\n")

    assert _keys(ListedSource(listing)) == [f"{tmp_path}/outside.pdf".lstrip("/")]


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe\x00"])
def test_a_list_that_names_nothing_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.txt").write_bytes(content)

    with pytest.raises(StoreUnusable, match=r"list\.txt"):
        _keys(ListedSource(tmp_path / "list.txt"))


def test_an_object_in_a_list_of_files_is_rejected_with_a_hint(folder: Path) -> None:
    listing = folder / "list.txt"
    listing.write_text("b.pdf\ngs://bucket/a.pdf\na\n")

    first, rejected, last = ListedSource(listing).documents()

    assert (first.key, last.key) == ("b.pdf", "a/C.PDF")
    assert isinstance(rejected, RejectedEntry)
    assert rejected.reason.startswith("line 2 of ")
    assert "gs://bucket/a.pdf is not a local file; a list names either local files or gs:// objects" in rejected.reason


@pytest.mark.parametrize(
    ("content", "objects"),
    [
        (b"\xef\xbb\xbf# objects\n\n  gs://bucket/a.pdf\nb.pdf\n", True),
        (b"b.pdf\ngs://bucket/a.pdf\n", False),
        (b"# gs://bucket/a.pdf\n", False),
        (b"\xff\xfe\x00", False),
    ],
)
def test_the_first_entry_decides_what_a_list_names(folder: Path, content: bytes, *, objects: bool) -> None:
    (folder / "list.txt").write_bytes(content)

    assert names_objects(folder / "list.txt") is objects
    assert not names_objects(folder / "missing.txt")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"x" * 5000, "it cannot be read: File name too long"),
        (b"x/" * 2500 + b"a.pdf", "it cannot be read: File name too long"),
        (b"~nobody/a.pdf", "no such file or folder: ~nobody/a.pdf; a list holds whole paths"),
        (b"~", "no such file or folder: ~; a list holds whole paths"),
        (b"b.pdf/below", "the file cannot be read: Not a directory"),
        (b"loop/a.pdf", "the file cannot be read: Too many levels of symbolic links"),
        (b"nul\0.pdf", r"no such file or folder: 'nul\x00.pdf'"),
        (b"\xff\xfe.pdf", r"no such file or folder: '\udcff\udcfe.pdf'"),
    ],
    ids=lambda value: repr(value[:16]),
)
def test_a_line_of_a_list_that_no_file_can_have_costs_only_itself(folder: Path, line: bytes, says: str) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "list.txt").write_bytes(b"b.pdf\n" + line + b"\na\n")

    first, rejected, last = ListedSource(folder / "list.txt").documents()

    assert (first.key, last.key) == ("b.pdf", "a/C.PDF")
    assert isinstance(rejected, RejectedEntry)
    assert rejected.reason.startswith("line 2 of ")
    assert says in rejected.reason
    rejected.key.encode()


def test_a_file_whose_name_is_no_utf8_can_be_listed(folder: Path) -> None:
    (folder / os.fsdecode(b"gr\xf6\xdfe.pdf")).write_bytes(b"x")
    (folder / "list.txt").write_bytes(b"gr\xf6\xdfe.pdf\n")

    assert _keys(ListedSource(folder / "list.txt")) == ["gr\\xf6\\xdfe.pdf"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_list_in_utf_16_is_refused_by_its_name(folder: Path, encoding: str) -> None:
    (folder / "list.txt").write_bytes("\ufeffb.pdf\n".encode(encoding))

    with pytest.raises(StoreUnusable, match="the list is UTF-16; save it as UTF-8"):
        _keys(ListedSource(folder / "list.txt"))


def test_a_file_that_is_no_list_is_not_read_into_memory(folder: Path) -> None:
    with (folder / "list.txt").open("wb") as file:
        file.truncate(2**40)  # a hole

    with pytest.raises(StoreUnusable, match=r"list\.txt: line 1 is longer than 65,536 characters"):
        _keys(ListedSource(folder / "list.txt"))
    assert not names_objects(folder / "list.txt")
