from __future__ import annotations

import os
from pathlib import Path

import pytest

from pagemill.config.processors import processors

_ALLOWED = 8


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may run on eight processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(_ALLOWED)), raising=False)


def _written(folder: Path, own: str, files: dict[str, str]) -> int:
    (folder / "own").write_text(own)
    for name, text in files.items():
        path = folder / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return processors(cgroups=folder / "groups", own=folder / "own")


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, _ALLOWED),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ("0::/a/b\n", {"a/b/cpu.max": "9900000 100000\n"}, _ALLOWED),
        ("4:cpu,cpuacct:/c\n0::/\n", {"cpu/c/cpu.cfs_quota_us": "400000", "cpu/c/cpu.cfs_period_us": "100000"}, 4),
        ("4:cpu,cpuacct:/c\n", {"cpu/c/cpu.cfs_quota_us": "-1", "cpu/c/cpu.cfs_period_us": "100000"}, _ALLOWED),
        ("4:memory:/c\n", {"cpu/c/cpu.cfs_quota_us": "100000", "cpu/c/cpu.cfs_period_us": "100000"}, _ALLOWED),
        ("0::/\n", {"cpu.max": "nonsense\n"}, _ALLOWED),
        ("0::/\n", {"cpu.max": "100000 0\n"}, _ALLOWED),
        ("nonsense\n", {}, _ALLOWED),
        ("", {}, _ALLOWED),
    ],
)
def test_a_container_has_the_processors_that_its_control_groups_allow(
    tmp_path: Path, own: str, files: dict[str, str], expected: int
) -> None:
    assert _written(tmp_path, own, files) == expected


def test_a_machine_without_control_groups_has_those_that_the_process_may_run_on(tmp_path: Path) -> None:
    assert processors(cgroups=tmp_path / "none", own=tmp_path / "none") == _ALLOWED


def test_where_nobody_knows_what_a_process_may_run_on_the_machines_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)

    assert processors(cgroups=tmp_path / "none", own=tmp_path / "none") == 1
