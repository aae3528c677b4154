from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagemill.domain.pages.joining import PieceText, join

RECEIPT = [f"{number:03d}  Coffee beans {100 + number} g   {3 + number * 0.07:6.2f} EUR" for number in range(120)]


def _cut(lines: list[str], size: int, shared: int) -> list[PieceText]:
    """Pieces of `size` lines, which share `shared` lines each."""
    pieces = [PieceText("\n".join(lines[:size]))]
    start = size - shared
    while start + shared < len(lines):
        part = lines[start : start + size]
        pieces.append(PieceText("\n".join(part), shared / len(part)))
        start += size - shared
    return pieces


def _misread(line: str, rng: random.Random) -> str:
    """A line with one letter misread."""
    place = rng.randrange(len(line))
    return line[:place] + rng.choice("aeio018B") + line[place + 1 :]


def test_pieces_that_share_nothing_are_put_one_after_the_other() -> None:
    assert join([PieceText("one\n"), PieceText(""), PieceText("\ntwo"), PieceText("three")]) == (
        "one\n\ntwo\n\nthree",
        (),
    )


@pytest.mark.parametrize("shared", [2, 3, 5, 8])
def test_lines_that_two_pieces_show_are_kept_once_although_all_lines_are_alike(shared: int) -> None:
    assert join(_cut(RECEIPT, 30, shared)) == ("\n".join(RECEIPT), ())


@pytest.mark.parametrize("seed", range(20))
def test_letters_that_are_misread_in_one_of_the_pieces_do_not_matter(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 -- noise, no secret
    first, second = _cut(RECEIPT[:55], 30, 5)
    lines = second.text.split("\n")
    for place in rng.sample(range(5), 2):
        lines[place] = _misread(lines[place], rng)

    text, objections = join([first, PieceText("\n".join(lines), second.overlap)])

    assert not objections
    assert [line[:3] for line in text.split("\n")] == [line[:3] for line in RECEIPT[:55]] or len(text.split("\n")) == 55


def test_a_line_that_is_cut_in_half_at_either_border_is_kept_whole() -> None:
    first, second = _cut(RECEIPT[:55], 30, 5)
    upper = first.text.split("\n")
    lower = second.text.split("\n")
    upper[-1] = "'':..  .'' :'"
    lower[0] = "._ ,, _. ._,"

    assert join([PieceText("\n".join(upper)), PieceText("\n".join(lower), second.overlap)]) == (
        "\n".join(RECEIPT[:55]),
        (),
    )


def test_a_line_that_only_one_of_the_pieces_has_is_kept_or_dropped_within_the_overlap_only() -> None:
    first, second = _cut(RECEIPT[:54], 30, 6)
    lower = second.text.split("\n")
    del lower[1]  # not read the second time; the first piece has it

    text, objections = join([first, PieceText("\n".join(lower), second.overlap)])

    assert text == "\n".join(RECEIPT[:54])
    assert not objections


@pytest.mark.parametrize("shared", [2, 3, 5, 8])
def test_texts_of_models_that_do_not_keep_lines_are_joined_word_by_word(shared: int) -> None:
    pieces = [PieceText(piece.text.replace("\n", " "), piece.overlap) for piece in _cut(RECEIPT, 30, shared)]

    assert join(pieces) == (" ".join(RECEIPT), ())


def test_blank_lines_do_not_count() -> None:
    first, second = _cut(RECEIPT[:55], 30, 5)

    text, objections = join(
        [PieceText(first.text.replace("\n", "\n\n")), PieceText(second.text.replace("\n", "\n\n"), second.overlap)]
    )

    assert [line for line in text.split("\n") if line] == RECEIPT[:55]
    assert not objections


def test_two_texts_that_share_nothing_are_kept_whole_and_the_page_says_so() -> None:
    text, objections = join(
        [PieceText("alpha\nbeta\ngamma\ndelta"), PieceText("one thing\nanother\nand more\nto the end", 0.5)]
    )

    assert text == "alpha\nbeta\ngamma\ndelta\n\none thing\nanother\nand more\nto the end"
    assert objections == ("overlap of pieces 1 and 2 not found: text may be doubled",)


@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_piece_takes_nothing_from_the_other(empty: int) -> None:
    texts = ["a line\nand another", "a line\nand another"]
    texts[empty] = ""

    text, objections = join([PieceText(texts[0]), PieceText(texts[1], 0.3)])

    assert text == "a line\nand another"
    assert objections


def test_lines_that_are_all_the_same_are_joined_by_the_height_of_the_overlap_and_the_page_says_so() -> None:
    text, objections = join(_cut(["1 x coffee 2.00"] * 55, 30, 5))

    assert text.count("coffee") == 55
    assert objections == ("overlap of pieces 1 and 2 is ambiguous: text that is repeated may be doubled or missing",)


def test_a_match_that_leaves_out_more_words_than_the_overlap_has_is_named() -> None:
    zeros = ["0" * length for length in range(6, 16)]
    above = [*"abcdefghijklm", "0000 0", "n", "o", "p", *zeros[4:7], "n", "n", *zeros[7:]]  # "0000 0" stands on both
    below = ["00000010000000", zeros[-1], "0000 0", *"qrstuvwxyz", "ending"]

    text, objections = join([PieceText("\n".join(above)), PieceText("\n".join(below), 2 / 14)])

    assert objections or set(above) <= set(text.split("\n"))


# No two are the same. Where many are, as in a column of zeros, nobody can tell how many of them two pieces share: the
# page says so, or the text itself repeats more than the overlap.
_LINES = st.lists(
    st.text("abcdefghij 0123456789", min_size=6, max_size=30).filter(str.strip), min_size=30, max_size=60, unique=True
)


@given(lines=_LINES, shared=st.integers(2, 8), repeated=st.lists(st.integers(0, 29), max_size=10), seed=st.integers())
@settings(max_examples=60, deadline=None)
def test_nothing_outside_an_overlap_is_ever_lost_unless_the_page_says_so(
    lines: list[str], shared: int, repeated: list[int], seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 -- noise, no secret
    for place in repeated:
        lines.insert(rng.randrange(len(lines)), lines[place])
    pieces = _cut(lines, 25, shared)
    noisy = [
        PieceText(
            "\n".join(_misread(line, rng) if rng.random() < 0.1 else line for line in piece.text.split("\n")),
            piece.overlap,
        )
        for piece in pieces
    ]

    text, objections = join(noisy)

    joined = [line for line in text.split("\n") if line.strip()]
    for piece in noisy:
        part = piece.text.split("\n")
        slack = shared + 4  # an overlap may be taken for a few lines longer than it is
        inner = part[slack:-slack]
        assert objections or _is_within(inner, joined)
    if not objections:
        assert abs(len(joined) - len(lines)) <= 2 * len(pieces)


@given(lines=_LINES, shared=st.integers(2, 8))
@settings(max_examples=60, deadline=None)
def test_texts_whose_lines_all_differ_are_joined_exactly(lines: list[str], shared: int) -> None:
    different = [f"{'abcdefghijklmnopqrstuvwxyz'[place % 26] * 9} {place} {line}" for place, line in enumerate(lines)]

    assert join(_cut(different, 25, shared)) == ("\n".join(different), ())


def _is_within(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(line in rest for line in part)
