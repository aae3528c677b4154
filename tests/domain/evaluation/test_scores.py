from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.evaluation.scores import Kind, compare, total
from pagemill.domain.evaluation.texts import Agreement, edits, in_order

_WORDS = (
    "the quick brown fox jumps over a lazy dog while seven more foxes sleep under an old oak near the river".split()
)
_PARAGRAPHS = ("The ferry leaves the quay at seven.", "Tickets cost four pounds each.", "No dogs, please.")


def test_the_same_text_has_no_errors_whatever_its_markup() -> None:
    found = compare("# Ferries\n\n| a | b |\n|---|---|\n| 1 | *2* |", "Ferries\na b\n1 2", markdown=False).sums

    assert (found.cer, found.block_cer, found.words.f1, found.ordered.f1) == (0, 0, 1, 1)


def test_errors_are_counted_for_each_character_of_the_truth() -> None:
    assert compare("kitten", "sitting", markdown=False).sums.cer == pytest.approx(3 / 7)
    assert compare("", "abc", markdown=False).sums.cer == 1.0


def test_blocks_in_another_order_cost_only_the_scores_that_know_an_order() -> None:
    found = compare("\n\n".join(reversed(_PARAGRAPHS)), "\n".join(_PARAGRAPHS), markdown=False).sums

    assert found.words.f1 == 1.0
    assert found.block_edits == 0
    assert found.ordered.both == 7  # the longest paragraph
    assert found.edits > found.characters / 2


def test_a_block_is_found_where_the_text_joins_and_splits_paragraphs_and_misreads_words() -> None:
    text = "Tickets cost five pounds each. No dogs,\n\nplease. The ferry leaves\n\nthe quay at seven."

    found = compare(text, "\n".join(_PARAGRAPHS), markdown=False).sums

    assert found.block_edits == 3  # five, not four: i, v and e for o, u and r


def test_blocks_whose_words_the_text_joins_are_found_one_by_one() -> None:
    text = "See elsewhere. [decode_simple_der], page 22, [encode_simple_der], page 16, instead."
    truth = "See elsewhere.\n[decode simple der], page 22,\n[encode simple der], page 16,\ninstead."

    assert compare(text, truth, markdown=False).sums.block_edits == 4  # blanks


def test_what_is_missing_and_what_is_invented_count_in_any_order() -> None:
    text = f"{_PARAGRAPHS[1]} Call us now. {_PARAGRAPHS[0]}"

    found = compare(text, "\n".join(_PARAGRAPHS), markdown=False).sums

    assert found.block_edits == len("No dogs, please.") + len("Call us now.")


def test_equal_rows_are_each_used_once() -> None:
    found = compare("0 0 0\n\n0 0 0", "0 0 0\n0 0 0\n0 0 0", markdown=False).sums

    assert found.block_edits == len("0 0 0")


def test_cells_count_in_their_row_and_column() -> None:
    truth = "| name | price |\n|---|---|\n| tea | 2.50 |\n| cake | 3.00 |"
    text = "<table><tr><td>Menu</td></tr><tr><td>name</td><td>price</td></tr><tr><td>tea</td><td>2.80</td></tr>"
    text += "<tr><td>cake</td><td></td><td>3.00</td></tr></table>"

    cells = compare(text, truth, markdown=True).sums.cells

    assert (cells.wanted, cells.found, cells.both) == (6, 7, 4)  # name, price, tea, cake
    assert cells.f1 == pytest.approx(8 / 13)


def test_without_tables_there_is_no_score_of_cells_and_invented_tables_score_0() -> None:
    assert compare("a", "a", markdown=True).sums.cells.f1 is None
    assert compare("|a|\n|-|", "a", markdown=True).sums.cells.f1 == 0.0
    assert compare("|a|\n|-|", "a", markdown=False).sums.cells.f1 is None


def test_headings_and_items_count_whatever_their_level() -> None:
    found = compare("## One\n\n**Two**\n\n- x\n- y", "# One\n\n# Two\n\n* x\n* z", markdown=True).sums

    assert found.headings.f1 == pytest.approx(2 / 3)
    assert found.items.f1 == pytest.approx(0.5)


def test_words_on_blank_and_sparse_pages_that_are_not_there_are_invented() -> None:
    blank = compare("The quick brown fox", "", markdown=False)
    sparse = compare("Page 7 the quick brown fox", "Page 7", markdown=False)
    full = compare(" ".join(_WORDS) + " and so on", " ".join(_WORDS), markdown=False)

    assert [each.kind for each in (blank, sparse, full)] == [Kind.BLANK, Kind.SPARSE, Kind.FULL]
    assert [each.sums.invented for each in (blank, sparse, full)] == [4, 4, 0]
    assert blank.sums.cer is None
    assert [each.wrong for each in (blank, sparse, full)] == [True, True, True]


def test_a_loop_counts_unless_the_page_repeats_itself_too() -> None:
    loop = " ".join(["and so on"] * 40)

    assert compare(f"It went on {loop}", "It went on and so on", markdown=False).sums.loops == 1
    assert compare(loop, loop, markdown=False).sums.loops == 0


def test_sums_weigh_pages_by_their_characters() -> None:
    found = total(compare(text, truth, markdown=False).sums for text, truth in [("ab", "ab"), ("xxxxxxxx", "yyyyyyyy")])

    assert (found.pages, found.characters, found.edits, found.cer) == (2, 10, 8, 0.8)


@pytest.mark.parametrize("blank", [" ", ""])
def test_edits_of_very_long_texts_are_counted_piece_by_piece(blank: str) -> None:
    chance = random.Random(7)  # noqa: S311 -- no secret
    letters = "".join(map(chr, range(0x4E00, 0x5E00))) if not blank else "abcdefghijklmnopqrstuvwxyz0123456789"
    words = ["".join(chance.choices(letters, k=6)) for _ in range(20_000)]
    text = [*words[:5_000], "x" * 7, *words[5_000:10_000], "y" + words[10_000][1:], *words[10_002:]]

    assert len(blank.join(words)) ** 2 > 10**10
    assert edits(blank.join(text), blank.join(words)) == 7 + len(blank) + 1 + 6 + len(blank)
    assert in_order(text, words) == Agreement(20_000, 20_000, 19_998)


def test_a_long_text_that_repeats_itself_is_compared_although_nothing_in_it_stands_once() -> None:
    assert edits("0 1 " * 49_000, "0 1 " * 50_000) == 4_000


def test_long_texts_that_have_nothing_in_common_share_nothing() -> None:
    text, truth = "a" * 400_000, "b" * 300_000

    assert edits(text, truth) == 400_000
    assert in_order(["a"] * 40_000, ["b"] * 40_000).both == 0


@given(text=st.text(), truth=st.text(), markdown=st.booleans())
def test_any_two_texts_have_scores(*, text: str, truth: str, markdown: bool) -> None:
    found = compare(text, truth, markdown=markdown).sums

    for agreement in (found.words, found.ordered, found.cells, found.headings, found.items):
        assert agreement.f1 is None or 0 <= agreement.f1 <= 1
    assert found.ordered.both <= found.words.both
    assert min(found.edits, found.block_edits) >= 0


@given(text=st.text(alphabet="ab |-#\n<>/tdr", max_size=300), markdown=st.booleans())
def test_a_text_agrees_with_itself(*, text: str, markdown: bool) -> None:
    found = compare(text, text, markdown=markdown).sums

    assert found.edits == 0
    assert {found.words.f1, found.ordered.f1, found.cells.f1, found.headings.f1} <= {1.0, None}
