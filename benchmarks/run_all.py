"""Runs all benchmarks that need only this machine, one after the other: `make bench`; half an hour."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console

BENCHMARKS = {
    "busy.py": "The endpoint is never idle for lack of pages",
    "rendering.py": "Rendering and encoding, compared with pdftoppm",
    "memory.py": "Memory is flat",
    "cpu.py": "CPU time a page",
    "listing.py": "A run over 100,000 documents that are done",
    "cold.py": "A cold and flaky endpoint costs time, and no page",
    "three_runs.py": "Three runs share eight slots, and keep them busy",
    "kills.py": "kill -9 at twenty moments",
    "server_load.py": "What 20,000 pages cost a Prefect server",
}


def main() -> int:
    """Run them; return how many broke their promise."""
    chosen = sys.argv[1:] or list(BENCHMARKS)
    broken = 0
    for name in chosen:
        Console().rule(BENCHMARKS.get(name, name))
        broken += subprocess.run([sys.executable, str(Path(__file__).parent / name)], check=False).returncode != 0
    return broken


if __name__ == "__main__":
    sys.exit(main())
