"""Compares a transcript with what its picture can hold: ink for so many letters, any text at all, legible small print.

The measure is pixels of ink for each letter and digit. Rendered as pages are (A4: 132 dpi), black type has 24 at 5
points and 66 at 10 points; grey type that can just be read has 15 at 5 points; 2 points, which nobody reads, have 4.
"""

from __future__ import annotations

from pagemill.domain.judging.findings import Finding, Signal
from pagemill.domain.judging.words import words_of
from pagemill.domain.wording import counted

_NO_TYPE = 3.0  # pixels a character: less is no type that can be read
_SMALLEST_TYPE = 8.0  # pixels a character: half of the palest small print
_LEAST_DPI = 80.0  # 1,540 pixels for half a metre: below, small print is invented, and plausibly (17 of 20 posters)
_MOST_IN_REGION = 150  # characters: a long line. A detector is asked only about pages that are nearly empty
_FEWEST_CHARACTERS = 40  # fewer are a page number, a label or a stamp, whose ink is not measured well enough


def ink_finding(text: str, ink_px: float | None) -> Finding | None:
    """The finding that a transcript says more than the ink can hold.

    Args:
        text: The transcript.
        ink_px: Pixels of ink on the page; None: not measured.
    """
    if ink_px is None or len(text) * _SMALLEST_TYPE <= ink_px:
        return None
    characters = _characters(text)
    if characters < _FEWEST_CHARACTERS:
        return None
    share = ink_px / characters
    if share >= _SMALLEST_TYPE:
        return None
    found = f"{characters} letters and digits, but only {counted(round(ink_px), 'pixel')} of ink"
    if share < _NO_TYPE:
        return Finding(Signal.INVENTED, round(share, 2), f"invented: {found}")
    return Finding(Signal.LITTLE_INK, round(share, 2), f"perhaps invented: {found}")


def regions_finding(text: str, regions: int | None) -> Finding | None:
    """The finding that a text detector saw no text on the page, or too little of it.

    Args:
        text: The transcript.
        regions: Regions of text that it found; None: it was not asked, or does not know.
    """
    characters = _characters(text)
    if regions is None or characters <= _MOST_IN_REGION * regions:
        return None
    if not regions:
        return Finding(Signal.INVENTED, 0, "invented: a text detector finds no text on the page")
    found = f"{characters} letters and digits, but only {counted(regions, 'mark')} on the page"
    return Finding(Signal.INVENTED, regions, f"invented: {found}")


def resolution_finding(dpi: float | None) -> Finding | None:
    """The finding that a picture shows its page too coarsely.

    Args:
        dpi: The resolution of the picture on paper; None: not known.
    """
    if dpi is None or dpi >= _LEAST_DPI:
        return None
    return Finding(Signal.LOW_DPI, round(dpi, 1), f"read at {dpi:.0f} dpi: small print may be invented")


def _characters(text: str) -> int:
    """Letters and digits, without markup."""
    return sum(map(len, words_of(text)))
