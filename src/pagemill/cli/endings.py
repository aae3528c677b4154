"""How a command ends if it does not end by itself: each exception becomes a message and an exit code."""

from __future__ import annotations

import errno
import platform
import sys
import tempfile
import traceback
from importlib.metadata import version
from pathlib import Path

import typer

from pagemill.cli.console import discard, messages
from pagemill.cli.support import ExitCode, explain
from pagemill.errors import StoreUnusable, out_of_resources, stated

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
_LIBRARIES = ("pagemill", "prefect", "httpx", "pydantic", "typer", "rich")


def ending_of(error: Exception) -> ExitCode:
    """Print what an exception means for the user; return the exit code. A defect of ours is written to a file."""
    if isinstance(error, BrokenPipeError):
        return ExitCode.DONE  # whoever read the output has read enough
    if isinstance(error, typer.TyperException):
        return _wrong_usage(error)
    known = stated(error) or out_of_resources(error) or _no_room(error)
    return explain(known) if known else _defect(error)


def _no_room(error: Exception) -> StoreUnusable | None:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        where = error.filename or "the output, or the folder of temporary files,"
        return StoreUnusable(f"{where} cannot be written: {error.strerror}")
    return None


def _wrong_usage(error: typer.TyperException) -> ExitCode:
    """Arguments that do not fit. Without a message, the help has been printed."""
    from pydantic import ValidationError

    from pagemill.config.invalid import problem_of

    if isinstance(error.__cause__, ValidationError):
        error.message = problem_of(error.__cause__)
    if message := error.format_message():
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "pagemill"
        messages().print(f"pagemill: {message.removesuffix('.')}; type: {command} --help", style="bold red")
    return ExitCode.WRONG_USAGE


def flushed(code: int) -> int:
    """Flush the output, and return the exit code: the given one, unless the output could not be written."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream:
                stream.flush()
    except BrokenPipeError:
        discard(sys.stdout)
    except OSError as error:
        discard(sys.stdout)
        return explain(StoreUnusable(f"the output cannot be written: {error.strerror}"))
    return code


def _defect(error: Exception) -> ExitCode:
    """Write down what a report needs; the user gets one line."""
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        where = f"; please report it with the file {_written(error)}"
    except OSError:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"; please report it with this place: {Path(frame.filename).name}, line {frame.lineno}"
    messages().print(
        f"pagemill: an unforeseen error, which is a defect of pagemill: {what}; finished pages are kept{where}",
        style="bold red",
    )
    return ExitCode.DEFECT


def _written(error: Exception) -> str:
    """The path of a new file with the versions and the traceback, without the values of variables."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="pagemill-defect-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write(f"{platform.platform()}, Python {platform.python_version()}, ")
        file.write(", ".join(f"{name} {version(name)}" for name in _LIBRARIES) + "\n")
        file.writelines(traceback.format_exception(error))
    return file.name
