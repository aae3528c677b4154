"""Scores of pages, and their sums over documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from rapidfuzz.distance import Levenshtein

from pagemill.domain.evaluation.blocks import block_edits
from pagemill.domain.evaluation.structure import Row, Structure, lines_of, structure_of
from pagemill.domain.evaluation.texts import NOTHING, Agreement, edits, in_any_order, in_order
from pagemill.domain.judging.loops import find_loop
from pagemill.domain.service.similarity import plain

SPARSE_WORDS = 20  # a page with fewer words is sparse: models invent on such pages, not on full ones
WRONG_CER = 0.05  # a page with more errors than that, whatever its order, should be a suspect


class Kind(StrEnum):
    """How much stands on a page."""

    BLANK = "blank"
    SPARSE = "sparse"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Sums:
    """What is counted of a page. The counts of several pages can be added."""

    pages: int = 0
    characters: int = 0  # of the truth
    edits: int = 0
    block_edits: int = 0  # whatever the order of blocks
    words: Agreement = NOTHING  # in any order
    ordered: Agreement = NOTHING  # words in their order
    cells: Agreement = NOTHING
    headings: Agreement = NOTHING
    items: Agreement = NOTHING
    loops: int = 0  # pages that end in a loop, or consist of one, which is not on the page
    bare: int = 0  # pages that are blank or sparse
    invented: int = 0  # words on those pages beyond the number that stands there: a misread word is not invented

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    @property
    def cer(self) -> float | None:
        """Edits for each character of the truth; None where the truth has none."""
        return self.edits / self.characters if self.characters else None

    @property
    def block_cer(self) -> float | None:
        """The same, whatever the order of blocks."""
        return self.block_edits / self.characters if self.characters else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One text beside its truth: of a page, or of a document whose truth is not cut into pages."""

    kind: Kind
    sums: Sums

    @property
    def wrong(self) -> bool:
        """Whether it has so many errors that it should be a suspect."""
        if self.kind is Kind.BLANK:
            return self.sums.invented > 0
        return self.sums.block_edits > WRONG_CER * self.sums.characters


def compare(text: str, truth: str, *, markdown: bool, pages: int = 1) -> Comparison:
    """Compare a text with its truth.

    Args:
        text: What was read, in Markdown.
        truth: What stands there.
        markdown: Whether the truth is Markdown: only then is the structure compared.
        pages: How many pages the texts are of.
    """
    ours, wanted = plain(text), plain(truth)
    true_structure = structure_of(truth) if markdown else None
    blocks = true_structure.blocks if true_structure else lines_of(truth)
    words, true_words = ours.split(), wanted.split()
    shared = in_any_order(words, true_words)
    kind = _kind(len(true_words), pages)
    cells, headings, items = _structures(structure_of(text), true_structure)
    apart = edits(ours, wanted)
    return Comparison(
        kind,
        Sums(
            pages=pages,
            characters=len(wanted),
            edits=apart,
            block_edits=min(block_edits(ours, blocks), apart),  # the right order is one of all orders
            words=shared,
            ordered=in_order(words, true_words),
            cells=cells,
            headings=headings,
            items=items,
            loops=int(bool(find_loop(ours, wanted))),
            bare=pages if kind is not Kind.FULL else 0,
            invented=max(shared.found - shared.wanted, 0) if kind is not Kind.FULL else 0,
        ),
    )


def total(sums: Iterable[Sums]) -> Sums:
    """The sum of all."""
    return sum(sums, start=Sums())


def _kind(words: int, pages: int) -> Kind:
    if words == 0:
        return Kind.BLANK
    return Kind.SPARSE if words < SPARSE_WORDS * pages else Kind.FULL


def _structures(ours: Structure, truth: Structure | None) -> tuple[Agreement, Agreement, Agreement]:
    """Cells, headings and list items; nothing where the truth does not show them."""
    if truth is None:
        return NOTHING, NOTHING, NOTHING
    return (
        _cells(ours.rows, truth.rows),
        in_any_order(ours.headings, truth.headings),
        in_any_order(ours.items, truth.items),
    )


def _cells(ours: Sequence[Row], truth: Sequence[Row]) -> Agreement:
    """Cells with the same text in the same column of the same row. Rows that one of the two lacks shift no others."""
    both = 0
    for step in Levenshtein.opcodes(ours, truth):
        if step.tag in {"equal", "replace"}:
            pairs = zip(ours[step.src_start : step.src_end], truth[step.dest_start : step.dest_end], strict=True)
            both += sum(
                bool(cell) and cell == other for one, two in pairs for cell, other in zip(one, two, strict=False)
            )
    return Agreement(_filled(truth), _filled(ours), both)


def _filled(rows: Sequence[Row]) -> int:
    return sum(bool(cell) for row in rows for cell in row)
