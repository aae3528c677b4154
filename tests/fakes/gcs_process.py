"""The fake Google Cloud Storage as a process: its memory is not counted with that of the process that lists it."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.fakes.gcs import FakeGcs

BUCKET = "archive"
SIZE_BYTES = 5
FIRST_GENERATION = 1_700_000_000_000_001  # of the first object; the others follow, in the order of their names


def object_name(number: int) -> str:
    """The name of the object of a number from 0: a thousand in a folder."""
    return f"scans/{number // 1000:05}/letter {number:08}.pdf"


@contextlib.contextmanager
def running_gcs(objects: int, *, content: Path | None = None, latency_seconds: float = 0.0) -> Iterator[str]:
    """Start it with that many PDFs in its one bucket; yield its URL, and stop it.

    Args:
        objects: How many.
        content: A file with the bytes of each; None: a few zeros.
        latency_seconds: How long each request takes at least.
    """
    command = [sys.executable, "-m", "tests.fakes.gcs_process", "--objects", str(objects)]
    command += ["--latency", str(latency_seconds), *(["--content", str(content)] if content else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.terminate()


def _serve(objects: int, content: bytes, latency_seconds: float) -> None:
    with FakeGcs() as google:
        google.create_bucket(BUCKET)
        for number in range(objects):
            generation = google.put(BUCKET, object_name(number), content)
            assert generation == FIRST_GENERATION + number
        google.fault = lambda *_: time.sleep(latency_seconds)
        sys.stdout.write(f"{google.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=0, help="PDFs in the bucket")
    parser.add_argument("--content", type=Path, help="a file with the bytes of each")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that a request takes at least")
    options = parser.parse_args()
    _serve(options.objects, options.content.read_bytes() if options.content else bytes(SIZE_BYTES), options.latency)
