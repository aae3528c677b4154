"""Pages rendered as a render worker does it, without the process around it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pagemill.domain.pages.model import Rendering
from tests.in_process import rendered

logging.getLogger("pypdfium2").setLevel(logging.ERROR)


@pytest.fixture
def render() -> Callable[..., Rendering]:
    """Render one page of a file."""
    return rendered


@pytest.fixture
def faulty() -> Path:
    """Small inputs after bug reports of other tools."""
    return Path(__file__).parent.parent / "faulty_inputs"
