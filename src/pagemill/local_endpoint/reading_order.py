"""From boxes scattered over a page to text in reading order: a recursive cut into columns and rows.

The page is cut into bands, horizontal strips with white between them. Neighbouring bands that share a gutter, a
vertical white strip, form a group. A group without a gutter is running text. With one it is either columns, which are
read one after the other and cut again, or a table, which is read row by row. The lines of columns are long
and fill them, or are not aligned with their neighbours; the cells of a table are short and are aligned.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

from pagemill.local_endpoint.boxes import Box, typical_height
from pagemill.local_endpoint.bullets import with_bullets
from pagemill.local_endpoint.paragraphs import join_lines, joined

Band = list[Box]
Group = list[Band]
Gutter = tuple[float, float]  # its left and right edge

# Boxes of neighbouring lines overlap a little; without this share of their height above and below they do
# not. Lines of two columns with different line positions still overlap.
_MARGIN_SHARE = 0.18

# All lengths from here on are in heights of the typical line.
_NARROWEST_GUTTER = 0.5
# A narrow gutter may be the stretched space of a justified line, unless this many boxes are beside it; a wide one not.
_NARROW_GUTTER_BOXES = 6
_WIDE_GUTTER = 1.6
# White this high ends a group, unless its bands are usually that far apart, as the bullets of a slide are.
_HIGHEST_GAP = 1.4
_HIGHEST_GAP_AGAINST_USUAL = 1.8
# White up to this height, where a table or a figure stood, does not end a column.
_HIGHEST_GAP_IN_COLUMN = 5.0
# Two boxes stand in one row when their middles are this close.
_SAME_ROW = 0.35

# Lines this long that fill this share of their column are running text; columns hold this many, and this share of them.
_RUNNING_TEXT_LENGTH = 8.0
_RUNNING_TEXT_FILL = 0.65
_RUNNING_TEXT_LINES = 2
_RUNNING_TEXT_SHARE = 0.35
# Where fewer boxes than this share have a neighbour in their row, the two sides are independent.
_ALIGNED_SHARE = 0.6

# How much more white is below a table's row than between the lines of its cells, and how many rows make a table.
_WHITE_BELOW_ROW = 0.25
_FEWEST_ROWS = 3

_BETWEEN_CELLS = "  "


def to_markdown(boxes: Iterable[Box]) -> str:
    """Join the boxes' texts in reading order: a blank line between paragraphs, a line for a table row."""
    return "\n\n".join(_blocks(with_bullets([box for box in boxes if box.text.strip()])))


def _blocks(boxes: Sequence[Box]) -> Iterator[str]:
    unit = typical_height(boxes)
    for group in _groups(_bands(boxes), unit):
        gutters = _gutters(group, unit)
        members = list(itertools.chain.from_iterable(group))
        split = _column_gutter(members, gutters, unit)
        rows = _wrapped_rows(group, gutters, unit) if split else group
        if split and not rows:
            for side in _sides(members, split):
                yield from _blocks(side)
        elif gutters:
            yield "\n".join(_row_text(row, gutters, unit) for row in rows)
        else:
            yield join_lines([row for band in group for row in _rows(band, unit)])


def _bands(boxes: Iterable[Box]) -> Iterator[Band]:
    """The strips with white between them, from the top."""
    band: Band = []
    reach = 0.0
    for box in sorted(boxes, key=_core_top):
        if band and _core_top(box) > reach:
            yield band
            band = []
        reach = max(reach, _core_bottom(box)) if band else _core_bottom(box)
        band.append(box)
    if band:
        yield band


def _core_top(box: Box) -> float:
    return box.top + _MARGIN_SHARE * box.height


def _core_bottom(box: Box) -> float:
    return box.bottom - _MARGIN_SHARE * box.height


def _groups(bands: Iterable[Band], unit: float) -> list[Group]:
    """Neighbouring bands that share a gutter, or have none, from the top."""
    groups: list[Group] = []
    for band in bands:
        if groups and _belongs(band, groups[-1], unit):
            groups[-1].append(band)
        else:
            groups.append([band])
    return _joined_if(_are_one_text, _joined_if(_are_one_column, groups, unit), unit)


def _joined_if(one: Callable[[Group, Group, float], bool], groups: Iterable[Group], unit: float) -> list[Group]:
    kept: list[Group] = []
    for group in groups:
        if kept and one(kept[-1], group, unit):
            kept[-1] = [*kept[-1], *group]
        else:
            kept.append(group)
    return kept


def _belongs(band: Band, group: Group, unit: float) -> bool:
    if _ends_before(band, group, unit):
        return False
    strips = _shared_strips(group, unit)
    return bool(_shared_strips([*group, band], unit)) if strips else not _shared_strips([band], unit)


def _ends_before(band: Band, group: Group, unit: float) -> bool:
    gaps = [_gap(upper, lower) for upper, lower in itertools.pairwise([*group, band])]
    usual = statistics.median(gaps[:-1]) if len(gaps) > 1 else gaps[-1]
    return gaps[-1] > max(_HIGHEST_GAP * unit, _HIGHEST_GAP_AGAINST_USUAL * usual)


def _gap(upper: Band, lower: Band) -> float:
    return min(map(_core_top, lower)) - max(map(_core_bottom, upper))


def _are_one_text(upper: Group, lower: Group, unit: float) -> bool:
    """Whether neither has columns; a stretched space may have looked like a gutter for a line or two."""
    return not _gutters(upper, unit) and not _gutters(lower, unit)


def _are_one_column(upper: Group, lower: Group, unit: float) -> bool:
    """Whether one has columns and the other continues one of them, below the end of its neighbour."""
    if _gap(upper[-1], lower[0]) > _HIGHEST_GAP_IN_COLUMN * unit:
        return False
    return _continues(lower, upper, unit) or _continues(upper, lower, unit)


def _continues(group: Group, columns: Group, unit: float) -> bool:
    members = list(itertools.chain.from_iterable(columns))
    split = _column_gutter(members, _gutters(columns, unit), unit)
    if not split or _gutters(group, unit):
        return False
    more = list(itertools.chain.from_iterable(group))
    longest = max(box.width for box in more)
    for side in _sides(members, split):
        left, right = min(box.left for box in side), max(box.right for box in side)
        if all(left - unit < box.left and box.right < right + unit for box in more):
            return longest >= _RUNNING_TEXT_FILL * (right - left)
    return False


def _gutters(group: Group, unit: float) -> list[Gutter]:
    """The strips that are wide enough, or have enough boxes beside them, to be gutters."""
    many = sum(map(len, group)) >= _NARROW_GUTTER_BOXES
    return [(left, right) for left, right in _shared_strips(group, unit) if many or right - left >= _WIDE_GUTTER * unit]


def _shared_strips(group: Group, unit: float) -> list[Gutter]:
    """The vertical strips that no box touches, with text on both sides in at least one band."""
    strips: list[Gutter] = []
    reach = math.inf
    for box in sorted(itertools.chain(*group), key=lambda box: box.left):
        if box.left - reach >= _NARROWEST_GUTTER * unit:
            strips.append((reach, box.left))
        reach = box.right if math.isinf(reach) else max(reach, box.right)
    return [strip for strip in strips if any(all(_sides(band, strip)) for band in group)]


def _column_gutter(boxes: Sequence[Box], gutters: Sequence[Gutter], unit: float) -> Gutter | None:
    """The widest gutter with columns on both sides; None when the boxes are cells of a table."""
    places = _in_columns(boxes, gutters)
    for number, gutter in sorted(enumerate(gutters), key=lambda item: item[1][0] - item[1][1]):
        beside = (places[number], places[number + 1])
        if _unaligned(*_sides(boxes, gutter), unit) or all(_is_running_text(column, unit) for column in beside):
            return gutter
    return None


def _in_columns(boxes: Iterable[Box], gutters: Sequence[Gutter]) -> list[list[Box]]:
    """The boxes by the column they stand in, from the left."""
    columns: list[list[Box]] = [[] for _ in range(len(gutters) + 1)]
    for box in boxes:
        columns[sum(box.left >= right for _, right in gutters)].append(box)
    return columns


def _sides(boxes: Iterable[Box], gutter: Gutter) -> tuple[list[Box], list[Box]]:
    left: list[Box] = []
    right: list[Box] = []
    for box in boxes:
        (left if box.right <= gutter[0] else right).append(box)
    return left, right


def _unaligned(left: Sequence[Box], right: Sequence[Box], unit: float) -> bool:
    fewer, more = sorted((left, right), key=len)
    aligned = sum(any(abs(box.middle - other.middle) < _SAME_ROW * unit for other in more) for box in fewer)
    return len(fewer) > 1 and aligned < _ALIGNED_SHARE * len(fewer)


def _is_running_text(column: Sequence[Box], unit: float) -> bool:
    if not column:
        return False
    width = max(box.right for box in column) - min(box.left for box in column)
    least = max(_RUNNING_TEXT_LENGTH * unit, _RUNNING_TEXT_FILL * width)
    longest = [max(box.width for box in row) for row in _rows(column, unit)]
    long_lines = sum(length >= least for length in longest)
    return long_lines >= max(_RUNNING_TEXT_LINES, _RUNNING_TEXT_SHARE * len(longest))


def _rows(boxes: Iterable[Box], unit: float) -> Iterator[Band]:
    """The boxes line by line, each line from left to right."""
    row: Band = []
    for box in sorted(boxes, key=lambda box: box.middle):
        if row and box.middle - row[0].middle >= _SAME_ROW * unit:
            yield sorted(row, key=lambda box: box.left)
            row = []
        row.append(box)
    if row:
        yield sorted(row, key=lambda box: box.left)


def _wrapped_rows(group: Group, gutters: Sequence[Gutter], unit: float) -> list[Band]:
    """The rows of a table whose cells are running text, as long as columns; none if it is no such table.

    Such a table has more white below its rows than between their lines, and all cells begin on a row's first line.
    """
    if any(box.text.startswith("- ") for band in group for box in band):
        return []  # two lists side by side
    gaps = [_gap(upper, lower) for upper, lower in itertools.pairwise(group)]
    rows: list[Group] = [[group[0]]]
    for gap, band in zip(gaps, group[1:], strict=True):
        if gap > min(gaps) + _WHITE_BELOW_ROW * unit:
            rows.append([])
        rows[-1].append(band)
    if not _FEWEST_ROWS <= len(rows) < len(group) or not all(all(_in_columns(row[0], gutters)) for row in rows):
        return []
    return [list(itertools.chain.from_iterable(row)) for row in rows]


def _row_text(band: Band, gutters: Sequence[Gutter], unit: float) -> str:
    """The cells of one table row; a cell may hold several lines."""
    cells = [cell for cell in _in_columns(band, gutters) if cell]
    return _BETWEEN_CELLS.join(joined(itertools.chain(*_rows(cell, unit))) for cell in cells)
