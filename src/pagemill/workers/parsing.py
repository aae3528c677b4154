"""Parses what workers send, on the parent's side. pydantic is not loaded by workers, which only write."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pagemill.errors import DocumentUnreadable, PageUnreadable, RequestRejected, WorkerFault
from pagemill.workers.containment import Containment
from pagemill.workers.frames import LONGEST_MESSAGE

Message = Annotated[str, Field(max_length=LONGEST_MESSAGE)]
Messages = Annotated[tuple[Message, ...], Field(max_length=1000)]

# What a handler may raise. Nothing that ends a run is among them.
_ERRORS: dict[str, type[Exception]] = {
    "DocumentUnreadable": DocumentUnreadable,
    "PageUnreadable": PageUnreadable,
    "RequestRejected": RequestRejected,
    "MemoryError": MemoryError,
    "WorkerFault": WorkerFault,
}


class Strict(BaseModel):
    """The head of a frame: these values, of these types, and no others."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Error(Strict):
    kind: Literal["DocumentUnreadable", "PageUnreadable", "RequestRejected", "MemoryError", "WorkerFault"]
    message: Message


class _Containment(Strict):
    denied: Messages
    missing: Messages


def parse_error(head: bytes) -> Exception:
    """The error that a handler raised.

    Raises:
        ValueError: The head is that of no such error.
    """
    found = _Error.model_validate_json(head)
    return _ERRORS[found.kind](found.message)


def parse_containment(head: bytes) -> Containment:
    """What a worker says of itself when it is ready.

    Raises:
        ValueError: The head is that of no worker of ours.
    """
    found = _Containment.model_validate_json(head)
    return Containment(found.denied, found.missing)


def what_is_wrong(error: ValueError) -> str:
    """The first reason why a frame is refused, without what it held."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}".removeprefix(": ")
