"""What is found below a local folder: PDFs, and whatever may hide PDFs that are not read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pagemill.domain.pages.matching import image_ending, is_pdf_name, may_be_misnamed
from pagemill.errors import out_of_resources

_SNIFFED_BYTES = 1024  # a PDF's header may be preceded by so many bytes
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_LINK = "a link to a folder, which is not followed; read that folder as a source of its own, or name it in a list"


@dataclass(frozen=True, slots=True)
class Found:
    """A PDF; or something that is not read, with the reason; or an image."""

    path: Path
    problem: str = ""
    is_folder: bool = False
    image: str = ""  # the ending of an image's name


def walk(
    folder: Path, *, without: Path | None = None, asked_for: Callable[[Path], bool] = lambda _: False
) -> Iterator[Found]:
    """Yield what is below a folder, each folder in the order of names; hidden files and folders are left out.

    Links to files are followed. Links to folders are not: they may lead in a circle.

    Args:
        folder: Where to look.
        without: A folder that is left out, wherever it is.
        asked_for: Whether a file is read, if it is a PDF, although its name does not end in .pdf.

    Raises:
        OSError: The folder itself cannot be read.
        OutOfResources: The machine opens no further folder.
    """
    root, errors = real(folder), list[OSError]()
    left_out = real(without) if without else None
    os.scandir(folder).close()  # raises
    for parent, folders, files in os.walk(folder, onerror=errors.append):
        yield from _unreadable(errors)
        below = [Path(parent) / name for name in sorted(folders) if not name.startswith(".")]
        links = [path for path in below if path.is_symlink() and not _is_searched(real(path), root, left_out)]
        yield from (Found(path, _LINK, is_folder=True) for path in links)
        folders[:] = [path.name for path in below if real(path) != left_out] if left_out else _names(below)
        for name in sorted(files):
            yield from _found(Path(parent) / name, asked_for)
    yield from _unreadable(errors)


def real(path: Path) -> Path:
    """A path without links. Unlike `Path.resolve`, it leaves links that lead in a circle as they are."""
    return Path(os.path.realpath(path))


def is_pdf(path: Path) -> bool:
    """Whether a regular file begins as a PDF does; False for one that cannot be read."""
    try:
        if not path.is_file():
            return False
        with open(path, "rb", opener=without_waiting) as file:
            return b"%PDF-" in file.read(_SNIFFED_BYTES)
    except OSError:
        return False


def kind_problem(mode: int) -> str:
    """Why a file cannot be read to an end, by its mode; empty for a regular file."""
    if stat.S_ISREG(mode):
        return ""
    return f"{_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file"


def without_waiting(name: str, flags: int) -> int:
    """An opener that opens a file at once, even if it has become a pipe since it was looked at."""
    return os.open(name, flags | os.O_NONBLOCK)


def _found(path: Path, asked_for: Callable[[Path], bool]) -> Iterator[Found]:
    """A file, if it is to be read or mentioned."""
    if is_pdf_name(path.name) or (asked_for(path) and is_pdf(path)):
        yield Found(path)
    elif may_be_misnamed(path.name) and is_pdf(path):
        yield Found(path, "a PDF whose name does not end in .pdf; rename it, or name it with --include")
    elif ending := image_ending(path.name):
        yield Found(path, image=ending)


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


def _is_searched(folder: Path, root: Path, left_out: Path | None) -> bool:
    """Whether the files of a folder are found anyway: it is below the root, and neither hidden nor left out."""
    if not folder.is_relative_to(root) or (left_out and folder.is_relative_to(left_out)):
        return False
    return not any(part.startswith(".") for part in folder.relative_to(root).parts)
