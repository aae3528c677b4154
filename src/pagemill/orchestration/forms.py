"""What the Prefect UI makes forms of."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def form_field(default: Any, *, position: int, title: str, description: str, **bounds: Any) -> Any:
    """A parameter with its place in the form: PostgreSQL keeps a schema's keys in no order."""
    return Field(default, title=title, description=description, json_schema_extra={"position": position}, **bounds)
