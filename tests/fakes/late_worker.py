"""A worker that needs `SECONDS` to start: `python -m tests.fakes.late_worker FD SECONDS`. Then it doubles numbers."""

from __future__ import annotations

import sys
import time

from pagemill.workers.containment import Containment
from pagemill.workers.frames import Message
from pagemill.workers.serving import answer_requests


def doubled(request: Message) -> Message:
    """Answer at once."""
    return Message({"found": 2 * request.values["argument"]})


if __name__ == "__main__":
    time.sleep(float(sys.argv[2]))
    answer_requests(doubled, Containment())
