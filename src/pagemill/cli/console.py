"""What all commands print through. Names, reasons and an endpoint's words are never markup."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from pagemill.domain.wording import without_controls
from pagemill.errors import StoreUnusable


class PlainConsole(Console):
    """Prints text as it is, on lines that it does not break; control characters are escaped.

    It has no way to print markup, so that no caller has to remember to switch it off. For colours, pass a style or a
    `rich.text.Text`.
    """

    def __init__(self, *, file: IO[str] | None = None, stderr: bool = False, width: int | None = None) -> None:
        """Print to `file`, or to standard error, or to standard output."""
        super().__init__(
            file=file, stderr=stderr, width=width, markup=False, emoji=False, highlight=False, soft_wrap=True
        )

    def render_str(self, text: str, **layout: Any) -> Text:
        """Take each string that is printed, also in tables, for what it is."""
        return super().render_str(without_controls(text), **{**layout, "markup": False, "emoji": False})

    def print(self, *objects: Any, **options: Any) -> None:
        """Print.

        Raises:
            StoreUnusable: Results cannot be printed. Messages that cannot be, as with `2> /dev/full`, are left out.
        """
        try:
            super().print(*objects, **options)
        except OSError as error:
            discard(self.file)
            if not self.stderr:
                raise StoreUnusable(f"standard output cannot be written: {error.strerror or error}") from error

    def on_broken_pipe(self) -> None:
        """Go on in silence when the reader has gone, as in `pagemill run ... | head -1`."""
        self.quiet = True
        discard(self.file)


def output() -> PlainConsole:
    """Standard output: for results."""
    return PlainConsole()


def messages() -> PlainConsole:
    """Standard error: for progress and for messages."""
    return PlainConsole(stderr=True)


def prepare_streams() -> None:
    """Let standard output take every name, also one that its encoding or UTF-8 cannot hold: it becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # closed by the caller: it is None
            stream.reconfigure(errors="backslashreplace")


def discard(stream: IO[str]) -> None:
    """Send what is written to a stream from now on, and what it still holds, nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
