"""Starts a worker, prints its process id, and waits to be killed."""

from __future__ import annotations

import sys

from pagemill.workers.process import WorkerProcess
from tests.fakes.errands import ask

if __name__ == "__main__":
    worker = WorkerProcess("tests.fakes.errand_worker", [str(2**31)])
    ask(worker, "double", 1)
    sys.stdout.write(f"{worker.pid}\n")
    sys.stdout.flush()
    ask(worker, "hang", timeout_seconds=600)
