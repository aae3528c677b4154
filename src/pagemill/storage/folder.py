"""What is found below a local folder: PDFs, and whatever may hide PDFs that are not read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pagemill.domain.pages.matching import is_pdf_name, may_be_misnamed
from pagemill.errors import out_of_resources

_SNIFFED_BYTES = 1024  # a PDF's header may be preceded by so many bytes
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A PDF, or something that is not read, with the reason."""

    path: Path
    problem: str = ""
    is_folder: bool = False


def walk(folder: Path, *, without: Path | None = None) -> Iterator[Found]:
    """Yield what is below a folder, each folder in the order of names; hidden files and folders are left out.

    Links to files are followed. Links to folders are not: they may lead in a circle.

    Args:
        folder: Where to look.
        without: A folder that is left out, wherever it is.

    Raises:
        OSError: The folder itself cannot be read.
        OutOfResources: The machine opens no further folder.
    """
    root, errors = folder.resolve(), list[OSError]()
    left_out = without.resolve() if without else None
    os.scandir(folder).close()  # raises
    for parent, folders, files in os.walk(folder, onerror=errors.append):
        yield from _unreadable(errors)
        below = [Path(parent) / name for name in sorted(folders) if not name.startswith(".")]
        yield from (Found(path, problem, is_folder=True) for path in below if (problem := _link_problem(path, root)))
        folders[:] = [path.name for path in below if path.resolve() != left_out] if left_out else _names(below)
        for name in sorted(files):
            path = Path(parent) / name
            if is_pdf_name(name):
                yield Found(path)
            elif may_be_misnamed(name) and is_pdf(path):
                yield Found(path, "a PDF whose name does not end in .pdf; rename it")
    yield from _unreadable(errors)


def is_pdf(path: Path) -> bool:
    """Whether a regular file begins as a PDF does; False for one that cannot be read."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return b"%PDF-" in file.read(_SNIFFED_BYTES)
    except OSError:
        return False


def kind_problem(mode: int) -> str:
    """Why a file cannot be a document, by its mode; empty for a regular file."""
    if stat.S_ISREG(mode):
        return ""
    return f"{_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file; remove it from the source"


def without_waiting(name: str, flags: int) -> int:
    """An opener that opens a file at once, even if it has become a pipe since it was looked at."""
    return os.open(name, flags | os.O_NONBLOCK)


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def _unreadable(errors: list[OSError]) -> Iterator[Found]:
    for error in errors:
        if lacking := out_of_resources(error):
            raise lacking from error
        path = Path(os.fsdecode(error.filename))
        if path.name != "lost+found":  # of the file system, and root's alone
            reason = f"the folder cannot be read: {error.strerror}; allow it, or leave the folder out with --include"
            yield Found(path, reason, is_folder=True)
    errors.clear()


def _link_problem(path: Path, root: Path) -> str:
    """Why a link to a folder is worth mentioning; empty where it is none, or leads to where files are read anyway."""
    if not path.is_symlink() or path.resolve().is_relative_to(root):
        return ""
    return "a link to a folder, which is not followed; read that folder as a source of its own, or name it in a list"
