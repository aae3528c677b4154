"""Settings that are lists: a variable holds them as JSON."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

_OF_THE_PLATFORM = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
_DANGEROUS = {"VLLM_SERVER_DEV_MODE"}  # gives every caller control over the server


def _parsed(value: object) -> object:
    """Parse what a variable holds; empty: no entries. pydantic's own error would not say which value it is about."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value) if value.strip() else []
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise ValueError('must be a JSON list of texts, for example ["a", "b"]')
    return found


def _check_variable(variable: str) -> str:
    """Refuse what is no variable, what Cloud Run sets itself, and what no service may have."""
    name, separator, _ = variable.partition("=")
    if not separator or not name.isidentifier() or not name.isascii():
        raise ValueError(f"'{variable}' is no NAME=VALUE")
    if name in _OF_THE_PLATFORM:
        raise ValueError(f"{name} is set by Cloud Run; leave it out")
    if name in _DANGEROUS:
        raise ValueError(f"{name} would let every caller control the server; leave it out")
    return variable


ContainerVariable = Annotated[str, AfterValidator(_check_variable)]
Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parsed)]
ContainerVariables = Annotated[tuple[ContainerVariable, ...], NoDecode, BeforeValidator(_parsed)]
