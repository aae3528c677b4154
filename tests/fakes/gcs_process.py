"""The fake Google Cloud Storage as a process: its memory is not counted with that of the process that lists it."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tests.fakes.gcs import FakeGcs

BUCKET = "archive"
SIZE_BYTES = 5
FIRST_GENERATION = 1_700_000_000_000_001  # of the first object; the others follow, in the order of their names


def object_name(number: int) -> str:
    """The name of the object of a number from 0: a thousand in a folder."""
    return f"scans/{number // 1000:05}/letter {number:08}.pdf"


@contextlib.contextmanager
def running_gcs(objects: int) -> Iterator[str]:
    """Start it with that many PDFs in its one bucket; yield its URL, and stop it."""
    command = [sys.executable, "-m", "tests.fakes.gcs_process", "--objects", str(objects)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.terminate()


def _serve(objects: int) -> None:
    with FakeGcs() as google:
        google.create_bucket(BUCKET)
        for number in range(objects):
            generation = google.put(BUCKET, object_name(number), bytes(SIZE_BYTES))
            assert generation == FIRST_GENERATION + number
        sys.stdout.write(f"{google.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=0, help="PDFs in the bucket")
    _serve(parser.parse_args().objects)
