"""Counts tokens roughly as a language model would: the engines here have no tokens.

A token is up to six letters or digits in a row, or one other character, with the white space before it. English text
gets about as many as with a byte-pair vocabulary of 150,000. An image costs one token for each 28 x 28 pixels, as with
the model that this service replaces.
"""

from __future__ import annotations

import itertools
import math
import re

_TOKEN = re.compile(r"\s*(?:[^\W_]{1,6}|[^\w\s]|_)")
_PIXELS_A_TOKEN = 28


def count_text_tokens(text: str) -> int:
    """How many tokens the text has."""
    return sum(1 for _ in _TOKEN.finditer(text))


def count_image_tokens(width_px: int, height_px: int) -> int:
    """How many tokens an image of this size has."""
    return math.ceil(width_px / _PIXELS_A_TOKEN) * math.ceil(height_px / _PIXELS_A_TOKEN)


def cut(text: str, most_tokens: int) -> str:
    """The text's first `most_tokens` tokens; the whole text if it has no more."""
    tokens = list(itertools.islice(_TOKEN.finditer(text), most_tokens + 1))
    return text if len(tokens) <= most_tokens else text[: tokens[most_tokens - 1].end()]
