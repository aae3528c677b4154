"""Fields of the parameter models from which the Prefect UI makes forms."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def form_field(default: Any, *, position: int, title: str, description: str, **bounds: Any) -> Any:
    """A parameter with its position in the form: PostgreSQL does not keep the order of a schema's keys."""
    return Field(default, title=title, description=description, json_schema_extra={"position": position}, **bounds)
