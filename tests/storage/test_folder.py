"""What a local folder holds beside PDFs: nothing hangs a listing, and nothing that may be a PDF goes unmentioned."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.errors import DocumentUnreadable, StoreUnusable
from pagemill.storage.local_source import ListedSource, LocalSource

_PDF = b"%PDF-1.7\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.pdf").write_bytes(_PDF)
    return folder


def _listed(source: LocalSource | ListedSource) -> tuple[list[str], dict[str, str]]:
    """The keys of the documents, and the reasons of the rejected entries by key."""
    entries = list(source.documents())
    rejected = {entry.key: entry.reason for entry in entries if isinstance(entry, RejectedEntry)}
    return [entry.key for entry in entries if isinstance(entry, Document)], rejected


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (os.mkfifo, "a named pipe, not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "a device, not a regular file"),
        (_socket, "a socket, not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "the file cannot be read: No such file"),
    ],
    ids=["pipe", "device", "socket", "dangling"],
)
def test_a_file_that_cannot_be_read_to_an_end_is_rejected_at_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], says: str
) -> None:
    monkeypatch.chdir(folder)  # names of sockets must be short
    make(Path("bad.pdf"))
    (tmp_path / "list.txt").write_text("in/good.pdf\nin/bad.pdf\n")

    documents, rejected = _listed(LocalSource(folder))
    assert documents == ["good.pdf"]
    assert rejected["bad.pdf"].startswith(says)
    (entry,) = LocalSource(folder / "bad.pdf").documents() if (folder / "bad.pdf").exists() else [None]
    assert entry is None or isinstance(entry, RejectedEntry)
    if entry:
        listed, wrong = _listed(ListedSource(tmp_path / "list.txt"))
        assert listed == ["in/good.pdf"]
        assert wrong == {"in/bad.pdf": f"line 2 of {tmp_path}/list.txt: {rejected['bad.pdf']}"}


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir], ids=["pipe", "device", "folder"]
)
def test_a_document_that_something_else_replaces_is_not_waited_for(folder: Path, make: Callable[[Path], None]) -> None:
    source = LocalSource(folder)
    (document,) = source.documents()
    assert isinstance(document, Document)
    (folder / "good.pdf").unlink()
    make(folder / "good.pdf")

    with (
        pytest.raises(DocumentUnreadable, match=r"replaced by something else|Is a directory"),
        source.local_copy(document),
    ):
        pass


def test_a_list_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.txt")

    with pytest.raises(StoreUnusable, match=r"list\.txt: a named pipe"):
        _listed(ListedSource(tmp_path / "list.txt"))


@pytest.fixture
def locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may not be read, whoever runs the tests."""
    path = folder / "locked"
    path.mkdir()
    (path / "a.pdf").write_bytes(_PDF)
    scandir = os.scandir

    def guarded(scanned: Path | str) -> object:
        if Path(scanned) == path:
            raise PermissionError(13, "Permission denied", str(scanned))
        return scandir(scanned)

    monkeypatch.setattr(os, "scandir", guarded)
    return path


def test_a_folder_that_may_not_be_read_is_named(folder: Path, locked: Path) -> None:
    documents, rejected = _listed(LocalSource(folder))

    assert documents == ["good.pdf"]
    assert rejected == {
        "locked/": "the folder cannot be read: Permission denied; allow it, or leave the folder out with --include"
    }
    with pytest.raises(StoreUnusable, match=r"locked cannot be read: Permission denied"):
        _listed(LocalSource(locked))


def test_a_folder_that_may_not_be_read_is_left_out_with_include_as_its_message_says(folder: Path, locked: Path) -> None:
    assert locked.is_dir()
    (folder / "open").mkdir()
    (folder / "open" / "a.pdf").write_bytes(_PDF)

    assert _listed(LocalSource(folder, include="open/*")) == (["open/a.pdf"], {})
    assert _listed(LocalSource(folder, include="lock*/*"))[1].keys() == {"locked/"}


def test_a_folder_in_a_list_that_may_not_be_read_is_named_with_its_line(folder: Path, locked: Path) -> None:
    (folder / "list.txt").write_text("good.pdf\nlocked\n.\n")

    documents, rejected = _listed(ListedSource(folder / "list.txt"))

    assert documents == ["good.pdf"]
    assert rejected["locked"].startswith("line 2 of ")
    assert rejected["locked/"].startswith("line 3 of ")
    assert locked.is_dir()


def test_the_file_systems_own_folder_that_only_root_may_read_is_not_mentioned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "lost+found").mkdir()
    scandir = os.scandir

    def guarded(scanned: Path | str) -> object:
        if Path(scanned).name == "lost+found":
            raise PermissionError(13, "Permission denied", str(scanned))
        return scandir(scanned)

    monkeypatch.setattr(os, "scandir", guarded)

    assert _listed(LocalSource(folder)) == (["good.pdf"], {})


def test_a_linked_folder_is_named_unless_its_files_are_read_anyway(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.pdf").write_bytes(_PDF)
    (folder / "2024").mkdir()
    (folder / "2024" / "a.pdf").write_bytes(_PDF)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "latest").symlink_to("2024")
    (folder / "around").symlink_to(".")

    documents, rejected = _listed(LocalSource(folder))

    assert documents == ["good.pdf", "2024/a.pdf"]
    assert rejected.keys() == {"linked/"}
    assert "name it in a list" in rejected["linked/"]
    (folder / "list.txt").write_text("linked\n")
    assert _listed(ListedSource(folder / "list.txt")) == (["linked/a.pdf"], {})


@pytest.mark.parametrize(
    "name", ["x.pdf ", "x.pdf.", "x.pdf.1", "x.PDF;1", "x.pdf~", "scan", "x.pdf (1)", "x.pdf\u00a0"]
)
def test_a_pdf_whose_name_does_not_end_so_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\n\n" + _PDF)

    documents, rejected = _listed(LocalSource(folder))

    assert documents == ["good.pdf"]
    assert rejected == {name: "a PDF whose name does not end in .pdf; rename it, or name it with --include"}


@pytest.mark.parametrize("name", ["x.pdf.txt", "README", "notes.md", "x.pdf.part", ".hidden", "x.pdf "])
def test_other_files_are_not_mentioned(folder: Path, name: str) -> None:
    (folder / name).write_bytes(_PDF if name.startswith((".", "x.pdf.part")) else b"text")
    os.mkfifo(folder / "pipe")

    assert _listed(LocalSource(folder)) == (["good.pdf"], {})


def test_the_folder_of_the_results_is_not_searched(folder: Path) -> None:
    results = folder / "text"
    (results / "good.pdf").mkdir(parents=True)
    (results / "good.pdf" / "document.md").write_text("text")
    (results / "stray.pdf").write_bytes(_PDF)

    assert _listed(LocalSource(folder, without=folder / "." / "text")) == (["good.pdf"], {})
    assert _listed(LocalSource(folder)) == (["good.pdf", "text/stray.pdf"], {})


def test_no_two_names_have_one_key_whatever_their_bytes_are(folder: Path) -> None:
    names = [b"a\xff.pdf", b"a\\xff.pdf", b"a\\x5cxff.pdf", b"a\\\xff.pdf", b"a\\x5c\xff.pdf", "a\u00ff.pdf".encode()]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(name)

    entries = [entry for entry in LocalSource(folder).documents() if isinstance(entry, Document)]

    assert len({entry.key for entry in entries}) == len({entry.source for entry in entries}) == len(names) + 1
    assert "a\\xff.pdf" in {entry.key for entry in entries}
    for entry in entries:
        entry.key.encode()
        with LocalSource(folder).local_copy(entry) as copy:
            assert copy.path.read_bytes() == os.fsencode(Path(entry.location).name) or entry.key == "good.pdf"


def test_a_file_that_a_list_names_twice_is_read_once(folder: Path, tmp_path: Path) -> None:
    (folder / "sub").mkdir()
    (tmp_path / "alias").symlink_to(folder)
    lines = ["good.pdf", "./good.pdf", "sub/../good.pdf", f"{folder}/good.pdf", f"{tmp_path}/alias/good.pdf", "."]
    (folder / "list.txt").write_text("\n".join(lines))

    assert _listed(ListedSource(folder / "list.txt")) == (["good.pdf"], {})


def test_two_files_of_a_list_with_one_key_are_one_document_and_one_rejected_line(folder: Path, tmp_path: Path) -> None:
    inner = folder / str(tmp_path / "other.pdf").lstrip("/")
    inner.parent.mkdir(parents=True)
    inner.write_bytes(b"inner")
    (tmp_path / "other.pdf").write_bytes(b"outer")
    relative = inner.relative_to(folder)
    (folder / "list.txt").write_text(f"{relative}\n{tmp_path}/other.pdf\n")

    documents, rejected = _listed(ListedSource(folder / "list.txt"))

    assert documents == [str(relative)]
    ((key, reason),) = rejected.items()
    assert key not in documents
    assert reason.startswith("line 2 of ")
    assert "would have the same folder as" in reason
    assert "put it into a list of its own, with another destination" in reason


def test_a_way_through_a_link_is_not_taken_for_the_file_that_it_seems_to_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "far" / "good.pdf").write_bytes(b"another")
    (folder / "link").symlink_to(tmp_path / "far" / "away")
    (folder / "list.txt").write_text("good.pdf\nlink/../good.pdf\n")

    documents, rejected = _listed(ListedSource(folder / "list.txt"))

    assert documents == ["good.pdf"]
    assert len(rejected) == 1


def test_a_line_with_a_nul_character_names_no_file(folder: Path) -> None:
    (folder / "list.txt").write_text("a\0.pdf\ngood.pdf\n")

    documents, rejected = _listed(ListedSource(folder / "list.txt"))

    assert documents == ["good.pdf"]
    assert [reason.partition(": ")[2] for reason in rejected.values()] == [r"no such file or folder: 'a\x00.pdf'"]


@pytest.mark.parametrize(
    ("include", "read", "named"),
    [
        ("sc*", ["scan", "scans/scan.bin"], []),
        ("scans/*", ["scans/scan.bin"], []),
        ("x.pdf.1", ["x.pdf.1"], []),
        ("*", ["good.pdf", "scan", "scans/scan.bin", "x.pdf.1"], []),
        ("*.pdf", ["good.pdf"], []),
        ("", ["good.pdf"], ["scan", "x.pdf.1"]),
    ],
)
def test_a_pdf_of_another_name_is_read_where_include_asks_for_it(
    folder: Path, tmp_path: Path, include: str, read: list[str], named: list[str]
) -> None:
    (folder / "scans").mkdir()
    for name in ("scan", "scans/scan.bin", "x.pdf.1", ".scan", "scans/.scan", "scan.part"):
        (folder / name).write_bytes(_PDF)
    (folder / "scan of nothing").write_bytes(b"text")

    documents, rejected = _listed(LocalSource(folder, include=include))

    assert sorted(documents) == read
    assert rejected.keys() == set(named)
    if "/" not in include:
        (tmp_path / "list.txt").write_text("in\n")
        listed, _ = _listed(ListedSource(tmp_path / "list.txt", include=include))
        assert sorted(listed) == [f"in/{key}" for key in read]


def test_images_beside_pdfs_are_counted_by_their_endings(folder: Path, tmp_path: Path) -> None:
    (folder / "2024").mkdir()
    for name in ("a.TIF", "b.tif", "2024/c.jpeg", ".d.tif", "notes.txt"):
        (folder / name).write_bytes(b"image")
    (tmp_path / "list.txt").write_text("in\n")
    whole, part, listed = LocalSource(folder), LocalSource(folder, include="2*/*"), ListedSource(tmp_path / "list.txt")

    assert _listed(whole) == _listed(LocalSource(folder))
    assert whole.images == {".tif": 2, ".jpeg": 1}
    assert _listed(listed)[0] == ["in/good.pdf"]
    assert listed.images == {".tif": 2, ".jpeg": 1}
    with pytest.raises(StoreUnusable, match=r"no PDFs matching '2\*/\*' in it .*; 1 image not read \(1 \.jpeg\)"):
        _listed(part)


@pytest.mark.parametrize("target", [".releases/1", "text/1"], ids=["hidden", "left out"])
def test_a_link_to_a_folder_that_is_not_searched_is_named(folder: Path, target: str) -> None:
    (folder / target).mkdir(parents=True)
    (folder / target / "a.pdf").write_bytes(_PDF)
    (folder / "current").symlink_to(target)

    documents, rejected = _listed(LocalSource(folder, without=folder / "text"))

    assert (documents, list(rejected)) == (["good.pdf"], ["current/"])


def test_links_that_lead_in_a_circle_end_no_listing(folder: Path) -> None:
    (folder / "loop").symlink_to("loop")
    (folder / "loop.pdf").symlink_to("loop.pdf")
    (folder / "one").symlink_to("other")
    (folder / "other").symlink_to("one")

    documents, rejected = _listed(LocalSource(folder, without=folder / "loop"))

    assert documents == ["good.pdf"]
    assert rejected.keys() == {"loop.pdf"}
    assert "symbolic links" in rejected["loop.pdf"]
