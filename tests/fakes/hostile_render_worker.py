"""A render worker that page 2 of a document takes over: it then sends what the document's name says.

All other pages it renders, so that a test sees what becomes of a document's neighbours.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import socket
import sys
from pathlib import Path

from pagemill.domain.pages.model import CountedPdf, Rendering
from pagemill.pdf.messages import handler
from pagemill.pdf.page import CountPages, RenderOptions, RenderPage
from pagemill.pdf.rendering import PdfPages
from pagemill.workers.containment import Containment
from pagemill.workers.serving import answer_requests

_HOSTILE_PAGE = 2


class _Mark:
    """Unpickled, it leaves a file beside the document."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        return open, (self._path, "w")


def _raw(kind: str, document: Path) -> bytes:
    mark = document.with_suffix(".mark")
    return {
        "pickle": pickle.dumps((True, _Mark(mark))),
        "length": b"\x03" + b"\xff" * 6,
        "endless": b"\x03" + (2**24).to_bytes(4, "big") + b"\x00\x00",
    }[kind]


def main() -> None:
    """Render pages; after a hostile one, send something else."""
    pages = PdfPages(RenderOptions(**json.loads(sys.argv[3])))

    def answer(asked: CountPages | RenderPage) -> CountedPdf | Rendering:
        kind = asked.file.path.resolve().stem
        if isinstance(asked, CountPages) or asked.number != _HOSTILE_PAGE:
            return pages.answer(asked)
        if kind == "neighbour":  # the text of another page, as if it were this one's
            return pages.answer(RenderPage(asked.file, 1))
        with socket.socket(fileno=os.dup(int(sys.argv[1]))) as parent:
            parent.sendall(_raw(kind, asked.file.path.resolve()))
            while kind == "endless":
                parent.sendall(bytes(2**20))
        signal.pause()
        raise AssertionError

    answer_requests(handler(answer), Containment())


if __name__ == "__main__":
    main()
