"""A render worker that renders real pages, and fails on the page that a document's name says.

`hang-2.pdf` hangs on page 2, `bug-2.pdf` and `rejected-2.pdf` raise errors that render workers do not raise,
`segfault-2.pdf` dies of a real segmentation fault, `killed-2.pdf` is killed as by the kernel's out-of-memory killer,
`once-2.pdf` is killed the first time only (it leaves a mark file beside the document).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

from pagemill.domain.pages.model import CountedPdf, Rendering
from pagemill.errors import RequestRejected
from pagemill.pdf.messages import handler
from pagemill.pdf.page import CountPages, RenderOptions, RenderPage
from pagemill.pdf.rendering import PdfPages
from pagemill.workers.containment import Containment, limit_resources
from pagemill.workers.serving import answer_requests


def main() -> None:
    """Render pages, and fail as the file name says."""
    limit_resources(address_space_bytes=int(sys.argv[2]))
    pages = PdfPages(RenderOptions(**json.loads(sys.argv[3])))

    def answer(request: CountPages | RenderPage) -> CountedPdf | Rendering:
        if isinstance(request, RenderPage):
            _fail(request)
        return pages.answer(request)

    answer_requests(handler(answer), Containment())


def _fail(request: RenderPage) -> None:
    kind, _, number = request.file.path.resolve().stem.partition("-")
    if number != str(request.number):
        return
    mark = request.file.path.resolve().with_suffix(".mark")
    match kind:
        case "hang":
            signal.pause()
        case "segfault":
            ctypes.string_at(0)
        case "bug":
            raise ValueError("an unexpected error")
        case "rejected":
            raise RequestRejected("an error of other workers")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "once" if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
