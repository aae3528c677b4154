"""What is wrong with a value, in plain words: pydantic's own name its types and quote regular expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

_WORDS: Mapping[str, str] = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_too_short": "must not be empty",
    "string_unicode": "holds bytes that are not UTF-8",
    "string_type": "must be text",
    "missing": "is missing",
    "extra_forbidden": "is not known",
}
_LONGEST_VALUE = 200  # characters


def invalid_values(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each invalid field, its value, and what is wrong with it; no name if several do not agree."""
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else ""
        field = _field(model, name)
        hidden = field is not None and field.annotation is SecretStr
        value = "***" if hidden else _shortened(problem["input"])
        yield name, value if name else "", _in_words(problem["type"], problem["msg"], problem.get("ctx", {}), field)


def problem_of(error: ValidationError) -> str:
    """The value that is invalid, if it is one only, and what is wrong with it."""
    problem = error.errors(include_url=False)[0]
    value, words = _shortened(problem["input"]), _in_words(problem["type"], problem["msg"], problem.get("ctx", {}))
    return words if value in words else f"'{value}' {words}"


def _in_words(kind: str, message: str, context: Mapping[str, Any], field: FieldInfo | None = None) -> str:
    if kind == "value_error":  # a validator's own words
        return message.removeprefix("Value error, ").removesuffix(".")
    expected = f"; expected: {field.description}" if field and field.description else ""
    return _WORDS[kind].format_map(context) if kind in _WORDS else f"is not valid{expected}"


def _field(model: type[BaseModel], name: str) -> FieldInfo | None:
    """A field by its name, or by the variable that it is read from."""
    fields = model.model_fields
    return fields.get(name) or next((field for field in fields.values() if field.validation_alias == name), None)


def _shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
