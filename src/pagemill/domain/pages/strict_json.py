"""JSON that is read back from a store. Whatever is wrong with it is one ValueError, in words."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeVar

_LARGEST = 2**53  # JSON readers of other languages keep whole numbers up to here
_SHOWN_CHARACTERS = 40
_KINDS: dict[type, str] = {str: "text", int: "whole number", bool: "true or false", list: "list"}

_T = TypeVar("_T")


class JsonObject:
    """A JSON object that yields only fields of the expected type.

    Every method raises ValueError where the field is missing or is something else.
    """

    def __init__(self, value: object, *, name: str = "") -> None:
        """Take a parsed value.

        Args:
            value: What was parsed.
            name: The field that holds it, for messages; empty for the whole text.

        Raises:
            ValueError: It is no object.
        """
        if not isinstance(value, dict):
            raise ValueError(f"{name or 'the text'} is no JSON object: {_shown(value)}")  # noqa: TRY004 -- one kind for all
        self._fields: dict[str, Any] = value
        self._path = f"{name}." if name else ""

    @property
    def names(self) -> list[str]:
        """The names of all fields."""
        return list(self._fields)

    def only(self, *allowed: str) -> None:
        """Refuse fields of other names."""
        if unknown := sorted(self._fields.keys() - set(allowed)):
            raise ValueError(f"unknown field {_shown(self._path + unknown[0])}")

    def text(self, name: str) -> str:
        """A string that can be written as UTF-8."""
        found = self._typed(name, str)
        _check_unicode(self._path + name, found)
        return found

    def text_or_none(self, name: str) -> str | None:
        """A string, or null."""
        return None if self._value(name) is None else self.text(name)

    def file_name(self, name: str) -> str:
        """A path as Python writes it: bytes that are no UTF-8 are the surrogates of `os.fsdecode`."""
        found = self._typed(name, str)
        _check_unicode(self._path + name, found, errors="surrogateescape")
        return found

    def flag(self, name: str) -> bool:
        """True or false."""
        return self._typed(name, bool)

    def count(self, name: str, *, least: int = 0, most: int = _LARGEST) -> int:
        """A whole number from `least` to `most`."""
        found = self._typed(name, int)
        if not least <= found <= most:
            raise ValueError(f"{self._path}{name} is not between {least} and {most}")
        return found

    def amount(self, name: str) -> float:
        """A finite number, 0 or more."""
        found = self._value(name)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._wrong_type(name, "number")
        if not 0 <= found <= _LARGEST:  # also refuses infinity
            raise ValueError(f"{self._path}{name} is not between 0 and {_LARGEST}")
        return float(found)

    def amount_or_none(self, name: str) -> float | None:
        """A finite number, 0 or more, or null."""
        return None if self._value(name) is None else self.amount(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings that can be written as UTF-8."""
        found = self._typed(name, list)
        if not all(isinstance(text, str) for text in found):
            raise self._wrong_type(name, "list of texts")
        _check_unicode(self._path + name, "".join(found))
        return tuple(found)

    def object(self, name: str) -> JsonObject:
        """An object."""
        return JsonObject(self._value(name), name=self._path + name)

    def objects(self, name: str) -> list[JsonObject]:
        """A list of objects."""
        return [JsonObject(value, name=f"an entry of {self._path}{name}") for value in self._typed(name, list)]

    def _value(self, name: str) -> Any:
        if name not in self._fields:
            raise ValueError(f"{self._path}{name} is missing")
        return self._fields[name]

    def _typed(self, name: str, kind: type[_T]) -> _T:
        found = self._value(name)
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise self._wrong_type(name, _KINDS[kind])
        return found

    def _wrong_type(self, name: str, wanted: str) -> ValueError:
        return ValueError(f"{self._path}{name} is no {wanted}: {_shown(self._fields[name])}")


def parse(text: str | bytes) -> JsonObject:
    """Parse one JSON object, in UTF-8 if it is bytes.

    Raises:
        ValueError: It is something else.
    """
    decoded = text if isinstance(text, str) else text.decode()
    try:
        return JsonObject(json.loads(decoded, parse_constant=_refuse_constant))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check_unicode(name: str, text: str, *, errors: str = "strict") -> None:
    try:
        text.encode("utf-8", errors)
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds a character that is no Unicode") from error


def _shown(value: object) -> str:
    """The beginning of a value; it may be long, or nested as deep as the parser allows."""
    if isinstance(value, dict | list):
        return f"{'a list' if isinstance(value, list) else 'an object'} with {len(value)} entries"
    return ascii(value)[:_SHOWN_CHARACTERS]
