"""A worker that needs `SECONDS` to start: `python -m tests.fakes.late_worker FD SECONDS`. Then it doubles numbers."""

from __future__ import annotations

import sys
import time

from pagemill.worker_process import answer_requests


def doubled(number: int) -> int:
    """Answer at once."""
    return 2 * number


if __name__ == "__main__":
    time.sleep(float(sys.argv[2]))
    answer_requests(doubled)
