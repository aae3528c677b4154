"""Counts and messages, for everything that people read."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: "1 page", "0 pages", "2 pages".

    Args:
        number: How many.
        noun: The singular.
        plural: Where it is not the singular with an s.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def encodable(text: str) -> str:
    """A message that can be written as UTF-8: a lone surrogate, which is no character, becomes its escape in hex."""
    return text.encode("utf-8", "backslashreplace").decode()
