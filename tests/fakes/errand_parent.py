"""Starts a worker, prints its process id, and waits to be killed."""

from __future__ import annotations

import sys

from pagemill.worker_process import WorkerProcess

if __name__ == "__main__":
    worker = WorkerProcess("tests.fakes.errand_worker", [str(2**31)])
    worker.call(("double", 1), timeout_seconds=30)
    sys.stdout.write(f"{worker.pid}\n")
    sys.stdout.flush()
    worker.call(("hang", None), timeout_seconds=600)
