"""Runs all benchmarks that need only this machine, one after the other: `make bench`; half an hour."""

from __future__ import annotations

import subprocess
import sys

from rich.console import Console

BENCHMARKS = {
    "busy": "The endpoint is never idle for lack of pages",
    "rendering": "Rendering and encoding, compared with pdftoppm",
    "poppler": "Pages are rendered as poppler renders them",
    "judging": "Transcripts are judged quickly, and rightly",
    "legibility": "Very large pages come out legible",
    "witness": "A witness proves blank scans blank, and no page with content",
    "memory": "Memory is flat",
    "cpu": "CPU time a page",
    "startup": "Time to the first page and to the end, directly and through Prefect",
    "listing": "A run over 100,000 documents that are done",
    "bucket": "A bucket's latency, with threads for each kind of call and with one pool",
    "space": "Temporary space of a run over 32 large objects",
    "cold": "A cold and flaky endpoint costs time, and no page",
    "three_runs": "Three runs share eight slots, and keep them busy",
    "kills": "kill -9 at twenty moments",
    "answers": "Whatever an endpoint answers, no run hangs and no page is lost",
    "server_load": "What 20,000 pages cost a Prefect server",
}


def main() -> int:
    """Run them; return how many broke their promise."""
    chosen = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(chosen) - BENCHMARKS.keys():
        sys.stderr.write(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(BENCHMARKS)}\n")
        return 2
    broken = 0
    for name in chosen:
        Console().rule(BENCHMARKS[name])
        broken += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
    return broken


if __name__ == "__main__":
    sys.exit(main())
