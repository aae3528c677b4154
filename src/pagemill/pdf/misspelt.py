"""Entries whose key differs in one letter from one that is missing: what a flipped bit makes of a dictionary.

Readers ignore keys that they do not know. So a page with `/Contdnts` has no contents, and nobody says so.
"""

from __future__ import annotations

from typing import Any

import pikepdf

# The entries that decide what is drawn, by kind of dictionary.
_KEYS: dict[str, list[str]] = {
    kind: [f"/{key}" for key in keys.split()]
    for kind, keys in {
        "/Page": "Contents Resources MediaBox CropBox Rotate Annots UserUnit Parent",
        "/Resources": "Font XObject ExtGState ColorSpace Pattern Shading Properties",
        "/Stream": "Filter DecodeParms Length",
        "/Form": "Filter DecodeParms Length Subtype BBox Matrix Resources Group",
        "/Image": "Filter DecodeParms Length Subtype Width Height ColorSpace BitsPerComponent Decode ImageMask SMask "
        "Mask",
        "/Font": "Subtype BaseFont Encoding DescendantFonts FontDescriptor ToUnicode FirstChar LastChar Widths "
        "CharProcs FontMatrix",
        "/FontDescriptor": "FontFile FontFile2 FontFile3 Flags",
        "/Annot": "Subtype Rect AP AS",
        "/Widget": "Subtype FT T V DA Parent",
    }.items()
}
# Other entries of the same dictionaries: they are what they say, though they are as short as those above.
_OTHERS = frozenset(
    f"/{key}"
    for key in "A AA AF AP AS BM BS Border C CA Contents DS DV F Ff H I Kids Lang Lock M MK MaxLen NM OC Opt P Popup Q "
    "RC RV Rect SV StructParent TI TM TU Type ca".split()
)
_SHORTEST_WORD = 2


def misspelt_entries(dictionary: Any, kind: str) -> list[str]:
    """Say which entries look like a damaged one that is missing, and which name an object that is not in the file."""
    if not isinstance(dictionary, pikepdf.Dictionary | pikepdf.Stream):
        return []
    known = _KEYS[kind]
    entries = dict(dictionary.items())
    present = set(entries)
    found = [
        f"entry {key} names an object that is not in the file"
        for key in known
        if key in present and entries[key] is None
    ]
    found += [
        f"entry {_printable(key)} is a damaged {wanted}"
        for key in present.difference(known, _OTHERS)
        for wanted in known
        if wanted not in present and len(key) == len(wanted) and _may_be_damaged(key, wanted)
    ]
    return found


def _may_be_damaged(key: str, wanted: str) -> bool:
    """Tell whether a flipped bit may have made `key` of `wanted`. In short words, one other letter proves nothing."""
    if len(wanted) > _SHORTEST_WORD + 1:
        return differ_once(key, wanted)
    bits = [(ord(a) ^ ord(b)).bit_count() for a, b in zip(key, wanted, strict=True)]
    return sum(bits) == 1


def differ_once(one: str, other: str) -> bool:
    """Tell whether two words of the same length differ in one letter."""
    return len(one) > _SHORTEST_WORD + 1 and sum(a != b for a, b in zip(one, other, strict=True)) == 1


def _printable(key: str) -> str:
    return ascii(key)[1:-1]
