"""A transcript beside the page's own text."""

from __future__ import annotations

import pytest

from pagemill.domain.judging.agreement import agreement, agreement_finding

LINES = [
    "The harbour of Olden was rebuilt in 1887 after the flood had taken the eastern pier,",
    "and the council spent 41,350 marks on stone that came by rail from the quarries of Brandt.",
    "Nobody expected the work to take longer than two summers; it took seven, and the engineer",
    "who had drawn the first plans did not live to see ships moored at the new quay.",
    "His diaries, which the museum bought in 1963, describe every storm of those years exactly,",
    "with the height of each wave, the direction of the wind, and the names of drowned sailors.",
    "Later historians have used them to date the sinking of the Aurora and of four other boats,",
    "whose cargo of salt, hemp and coffee was worth more than the whole budget of the town.",
]
LAYER = "\n".join(LINES)


def _is_good(text: str, layer: str = LAYER) -> bool:
    found = agreement(text, layer)
    assert found
    return found.is_good


def test_the_same_words_agree_whatever_their_markup() -> None:
    table = "<table><tr><td>" + "</td></tr>\n<tr><td>".join(LINES) + "</td></tr></table>"

    assert _is_good(LAYER)
    assert _is_good(f"# {LINES[0]}\n\n**{LINES[1]}**\n- " + "\n- ".join(LINES[2:]))
    assert _is_good(table)
    assert _is_good("| " + " |\n| ".join(LINES) + " |")


def test_hyphens_ligatures_and_accents_in_two_parts_are_no_difference() -> None:
    layer = LAYER.replace("harbour", "har-\nbour").replace("first", "ﬁrst").replace("quarries", "quar\u0002\nries")

    assert _is_good(LAYER, layer)
    assert _is_good(layer, LAYER)
    assert _is_good(LAYER.replace("expected", "ex- pected"), LAYER)


def test_blocks_in_another_order_are_no_difference() -> None:
    columns = [f"left{number} " * 3 + f"beside{number} word{number} and{number} so on{number}" for number in range(80)]

    assert _is_good("\n".join(columns[40:] + columns[:40]), "\n".join(columns))


def test_a_phrase_that_stands_twice_and_is_divided_once_in_the_layer_is_no_moved_line() -> None:
    phrase = "pointer to the element that holds the inner structure"
    text = "\n".join([*LINES[:7], f"{phrase}: where it lies.", f"{phrase}: what it is.", LINES[7]])

    assert _is_good(text, text.replace("that holds", "th at holds", 1))


def test_a_running_head_that_the_model_leaves_out_is_no_difference() -> None:
    assert _is_good(LAYER, f"Yearbook of the Harbour Society, volume 12\n{LAYER}\npage 77 of 310")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n".join(LINES[:-1]), "missing"),
        (f"{LAYER}\nThe king himself came to open it, and gave a speech about the sea.", "not in it"),
        (
            LAYER.replace("1887", "1878").replace("41,350", "41,850").replace("1963", "1968").replace("first", "last"),
            "4 of",
        ),
        ("\n".join([*LINES[:2], LINES[3], LINES[2], *LINES[4:]]), "changed places"),
        ("\n".join([LINES[0], LINES[6], *LINES[2:6], LINES[1], LINES[7]]), "changed places"),
        ("", "missing"),
    ],
    ids=["a line is missing", "a sentence is invented", "numbers differ", "neighbours", "lines far apart", "empty"],
)
def test_lines_that_are_missing_invented_changed_or_swapped_are_a_difference(text: str, says: str) -> None:
    found = agreement(text, LAYER)

    assert found
    finding = agreement_finding(found)
    assert finding
    assert says in finding.words
    assert finding.measure < 0.965


def test_formulas_of_which_the_layer_has_the_letters_in_other_words_are_no_difference() -> None:
    page = f"{LAYER}\nThe pressure is\npij = ρghk + 12 sin αxy\nand the sum Σnm qnm = 4πr2 for all of them."
    equation = "$$\np_{ij} = \\rho g h_k + \\frac{1}{2} \\sin \\alpha_{xy}\n$$"
    formulas = f"{equation}\nand the sum $\\sum_{{nm}} q_{{nm}} = 4\\pi r^2$ for all of them."

    assert _is_good(f"{LAYER}\nThe pressure is\n{formulas}", page)


def test_the_numbers_of_a_chart_may_be_missing_where_the_transcript_has_an_image() -> None:
    page = f"{LAYER}\n{' '.join(str(number) for number in range(0, 200, 10))}"

    assert _is_good(f"{LAYER}\n\n![image](image_1.png)", page)
    assert not _is_good(LAYER, page)


@pytest.mark.parametrize("layer", ["", "12", "Confidential", "\ud800" * 50, "天" * 10])
def test_a_layer_of_few_words_is_not_compared(layer: str) -> None:
    assert agreement(LAYER, layer) is None


def test_text_in_a_script_without_spaces_is_compared_by_its_characters() -> None:
    page = "港口在洪水之后重建议会从采石场买来石头花费四万马克工程持续了七年最初的工程师没有看到新的码头"

    assert _is_good(page, page)
    assert not _is_good(page[:-6], page)
