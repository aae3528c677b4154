"""How many processors this process may use. A container may have fewer than its machine."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def processors(*, cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> int:
    """Those that the process may run on, or the time that its control groups allow, whichever is less; at least 1.

    A quota of 1.5 processors counts as 2: a process that waits for its share is better than a share without a process.

    Args:
        cgroups: Where the kernel shows control groups.
        own: Where it says which of them are this process's.
    """
    # macOS does not know on which processors a process may run.
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min([allowed, *(math.ceil(quota) for quota in _quotas(cgroups, own))]), 1)


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """The processors that the control groups of the process may use, of those that have a quota."""
    with contextlib.suppress(OSError, ValueError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            inside = Path(path.lstrip("/"))
            for group in (inside, *inside.parents):  # within a container, its own group may be the root
                if not controllers:
                    yield from _quota(cgroups / group)
                elif "cpu" in controllers.split(","):
                    yield from _first_version_quota(cgroups / "cpu" / group)


def _quota(group: Path) -> Iterator[float]:
    """What a file such as `150000 100000` allows; `max 100000` is no quota."""
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (group / "cpu.max").read_text().split()
        if quota != "max":
            yield int(quota) / int(period)


def _first_version_quota(group: Path) -> Iterator[float]:
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota = int((group / "cpu.cfs_quota_us").read_text())
        if quota > 0:
            yield quota / int((group / "cpu.cfs_period_us").read_text())
