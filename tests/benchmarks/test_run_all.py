from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.run_all import BENCHMARKS

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_can_be_imported(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").main)


def test_an_unknown_benchmark_is_named_with_those_that_exist() -> None:
    """Started as `make bench` starts it."""
    command = [sys.executable, "-m", "benchmarks.run_all", "fast"]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "unknown: fast; choose from busy, " in ended.stderr
