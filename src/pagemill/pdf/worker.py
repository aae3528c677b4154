"""The main module of a render worker: `python -P -m pagemill.pdf.worker FD MEMORY_BYTES OPTIONS_JSON`."""

from __future__ import annotations

import json
import logging
import sys

from pagemill.pdf.messages import handler
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rendering import PdfPages
from pagemill.workers.containment import contain, limit_resources
from pagemill.workers.serving import answer_requests

# The temporary folder is memory on some machines, and a worker that was taken over has the copy's file to write to.
_LARGEST_COPY_BYTES = 2**31
_NICENESS = 5  # the parent, which talks to the endpoint, goes first; rendering ahead can wait


def main() -> None:
    """Render pages until the parent is gone."""
    memory_bytes, options = int(sys.argv[2]), json.loads(sys.argv[3])
    limit_resources(address_space_bytes=memory_bytes, largest_file_bytes=_LARGEST_COPY_BYTES, niceness=_NICENESS)
    logging.getLogger("pypdfium2").setLevel(logging.ERROR)  # its warnings are for developers of viewers
    answer_requests(handler(PdfPages(RenderOptions(**options)).answer), contain())


if __name__ == "__main__":
    main()
