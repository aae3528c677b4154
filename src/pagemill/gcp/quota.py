"""Google's messages about quotas: which quota it is, and what to type next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_CPU = "CpuAllocPerProjectRegion"
_MEMORY = "MemAllocPerProjectRegion"
_GPU = "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion"
_GPU_REDUNDANT = "NvidiaL4GpuAllocPerProjectRegion"
_MILLI = 1000
_GIB = 2**30
_SMALLEST = {_CPU: 4 * _MILLI, _MEMORY: 16 * _GIB}  # an instance with an L4

# `Metric requested: 60000 allowed: 20000`, one a line below "Quota violated:", in some messages as a list.
_VIOLATED = re.compile(
    r"(?:(?P<before>[a-z]+-[a-z]+\d+)\W+)?(?P<metric>\w+Per\w+)\W+(?:in\s+|\()?(?P<behind>[a-z]+-[a-z]+\d+)?\W*"
    r"requested:\s*(?P<requested>\d+)\s+allowed:\s*(?P<allowed>\d+)"
)
_MOST_INSTANCES = re.compile(r"(?:[Mm]ax instances must be set to|maxScale may not exceed) (\d+)")
# Messages without such lines name the resource only.
_RESOURCES = {_CPU: ("total CPU", "limits.cpu"), _MEMORY: ("total memory", "limits.memory"), _GPU: ("total GPU",)}


@dataclass(frozen=True, slots=True)
class Violation:
    """A quota that would be exceeded."""

    metric: str
    region: str  # empty: the one of the request
    requested: int
    allowed: int

    def described(self) -> str:
        """The quota with its numbers in units that people use."""
        where = f" in {self.region}" if self.region else ""
        return f"{self.metric}{where} allows {self._amount(self.allowed)}, asked for {self._amount(self.requested)}"

    def _amount(self, number: int) -> str:
        if self.metric == _CPU:
            return f"{number / _MILLI:g} vCPU"
        return f"{number / _GIB:g} GiB" if self.metric == _MEMORY else str(number)


def violations(text: str) -> list[Violation]:
    """The quotas that a message lists, each with the region if the message names one."""
    return [
        Violation(
            found["metric"],
            found["before"] or found["behind"] or "",
            int(found["requested"]),
            int(found["allowed"]),
        )
        for found in _VIOLATED.finditer(text)
    ]


def quota_fix(text: str, project: str) -> str:
    """If an error's text is about a quota, return the text and how to fix it; otherwise return an empty string."""
    listed = violations(text)
    most = _MOST_INSTANCES.search(text)
    page = f"https://console.cloud.google.com/iam-admin/quotas?project={project}"
    if listed or most:
        numbers = "".join(f" {violation.described()}." for violation in listed)
        request = f"request more {' and '.join(_names(text, listed)) or 'of it'} at {page}"
        return f"{_first_sentence(text)}{numbers} {_what_to_do(int(most[1]) if most else 0, listed, request)}"
    if "gpu" in text.lower() and "quota" in text.lower():
        how = f"Request more {_GPU} (with zonal redundancy: {_GPU_REDUNDANT}) in this region at {page}"
        return f"{text} {how}, or set PAGEMILL_SERVICE_REGION to another"
    return f"{text} Request more at {page}" if "quota" in text.lower() else ""


def _what_to_do(most: int, listed: Sequence[Violation], request: str) -> str:
    """What to type.

    Args:
        most: Instances that fit.
        listed: The quotas that the message lists.
        request: How more is requested.
    """
    if most:
        return f"The quota is enough for {most}: set PAGEMILL_SERVICE_MAX_INSTANCES={most}, or {request}"
    fits = listed and all(violation.allowed >= _SMALLEST.get(violation.metric, 2**63) for violation in listed)
    smaller = ", or deploy one small instance: pagemill deploy --max-instances 1 --cpu 4 --memory 16" if fits else ""
    return f"Not one instance fits: {request}{smaller}, or set PAGEMILL_SERVICE_REGION to another"


def _names(text: str, listed: Sequence[Violation]) -> list[str]:
    """The quotas to request, each once: those that are listed, or the one whose resource the text names."""
    if listed:
        return list(dict.fromkeys(violation.metric for violation in listed))
    return [metric for metric, words in _RESOURCES.items() if any(word in text for word in words)]


def _first_sentence(text: str) -> str:
    """Google's first sentence: the rest is general advice, and the list."""
    return re.split(r"\n|(?<=\.)\s", text.strip(), maxsplit=1)[0]
