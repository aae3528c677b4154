"""Loops: one pattern that is repeated instead of what stands on the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagemill.domain.judging.loops import find_loop

PROSE = " ".join(f"word{number}" for number in range(300))
SECTION = " ".join(f"{kind}{number}" for number in range(160) for kind in ("aim", "result"))
ROWS = "".join(f"<tr><td>2024-05-{day:02}</td><td>0.00</td><td>0.00</td><td>0.00</td></tr>" for day in range(1, 32))


def test_a_text_without_repetition_is_no_loop() -> None:
    assert find_loop(PROSE) is None


@pytest.mark.parametrize(
    "repeated",
    [
        "Lorem; " * 4000,
        "the same line again and again\n" * 20,
        "---\n\n250\n\n" * 200,
        "```plaintext\n" + "TGF1        " * 300,
        "Before treatment  After treatment  " * 30 + "After treatment " * 400,
        f"{SECTION}\n\n" * 5,
        f"{SECTION}\n\n" * 3 + SECTION[:500],
        "<tr><td>Total</td><td>0</td><td>0</td></tr>\n" * 60,
        "<td></td>" * 700,
        "$$\n$$\n" * 200,
        "{" * 1000,
        "|  |  |  |  |\n" * 400,
        "| Healthy_1 | Healthy_2 | Healthy_3 |\n" * 40,
        "ha" * 700,
        "\\quad" * 300,
        "本页的文字一再重复。" * 40,
        "ข้อความนี้ซ้ำแล้วซ้ำอีก" * 40,
        "هذا النص يتكرر " * 40,
    ],
    ids=lambda repeated: repeated[:16].strip(),
)
def test_what_is_repeated_at_the_end_is_a_loop_also_if_its_last_word_is_cut(repeated: str) -> None:
    assert find_loop(f"{PROSE}\n\n{repeated}")
    assert find_loop(f"{PROSE}\n\n{repeated.rstrip()[:-1]}")


def test_a_loop_names_its_pattern_and_how_often_it_stands() -> None:
    loop = find_loop(f"{PROSE}\n{'round and round it goes ' * 50}")

    assert loop
    assert loop.pattern == "round and round it goes"
    assert loop.times == 50
    assert loop.words == 250
    assert loop.share == pytest.approx(250 / 550)


def test_a_loop_that_ends_by_itself_is_found_if_it_is_much_of_the_text() -> None:
    assert find_loop(f"{PROSE} {'round and round ' * 60} {PROSE[:600]}")
    assert find_loop(f"{PROSE} {'round and round ' * 20} {PROSE}") is None


def test_a_pattern_may_hold_the_same_words_several_times() -> None:
    row = "<tr><td>A</td><td>0</td><td>0</td><td>0</td></tr><tr><td>B</td><td>0</td><td>0</td><td>0</td></tr>"

    assert find_loop(f"{PROSE} {row * 30}")


@pytest.mark.parametrize(
    "text",
    [
        "Chapter one" + " ." * 400 + " 7\n" + "Chapter two" + "." * 400 + " 9",
        "| --- | --- | --- | --- |\n" * 30,
        f"<table>{ROWS}</table>",
        "<table>" + "<tr><td></td><td></td><td></td><td></td></tr>\n" * 60 + "</table>",
        "\n".join(f"Saint {name}, pray for us." for name in PROSE.split()),
        "\n".join(f"{name} ..... present" for name in PROSE.split()[:60]),
        "\n".join(f"{offset:08x}  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00" for offset in range(0, 1024, 16)),
        "\n".join(" ".join(str(row * column) for column in range(1, 11)) for row in range(1, 11)),
        "Yes Yes Yes No Yes Yes Yes No Yes Yes Yes No",
        "Amen, amen, amen, I say unto you",
        f"{PROSE}\nRow, row, row your boat, gently down the stream\n\n" * 2,
        "__________" * 300,
        "████ ░░░░ │ " * 100 + "• • • *** === " * 100,
        "Last name: ____ First name: ____ Date of birth: ____ Relation to you: ____\n" * 6,
        "<tr><td>Name of the witness</td><td></td><td>His or her full address</td><td></td></tr>" * 6,
        "|  |  |  |  |\n" * 50,
        "```c\nint table[] = {\n" + "    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,\n" * 16 + "};\n```",
        "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏",
    ],
    ids=lambda text: text[:16].strip(),
)
def test_leaders_borders_tables_litanies_and_dumps_are_no_loops(text: str) -> None:
    assert find_loop(text) is None


def test_what_the_page_itself_repeats_is_no_loop() -> None:
    page = "TEST " * 54

    assert find_loop(page)
    assert find_loop(page, layer=page) is None


def test_the_text_layer_defends_in_whatever_order_it_is_read() -> None:
    transcript = "<tr><td>yes</td><td>0.00</td><td>none</td></tr>" * 30
    by_columns = "yes\n" * 30 + "0.00\n" * 30 + "none\n" * 30

    assert find_loop(transcript)
    assert find_loop(transcript, by_columns) is None


def test_a_word_that_the_page_has_often_does_not_defend_a_loop_of_it() -> None:
    page = " ".join(f"the word{number}" for number in range(40))

    assert find_loop(f"{page} {'the ' * 50}", layer=page)


@given(
    st.lists(st.sampled_from(["a1", "b1", "c1"]), min_size=1, max_size=40),
    st.integers(16, 30),
    st.integers(0, 20),
)
def test_any_pattern_that_repeats_to_the_end_is_found(pattern: list[str], times: int, begun: int) -> None:
    words = [*PROSE.split()[:50], *pattern * max(times, 120 // len(pattern)), *pattern[: begun % len(pattern)]]

    loop = find_loop(" ".join(words))

    assert loop
    assert " ".join([loop.pattern] * (loop.times - 1)) in " ".join(words)


@given(st.text(st.sampled_from("ab <>td/本ข\ud800\0\n|.-"), max_size=400), st.text(max_size=50))
def test_whatever_the_text_is_a_loop_that_is_reported_has_a_share_of_it(text: str, layer: str) -> None:
    for repeated in (text, text * 50):
        loop = find_loop(repeated, layer)
        assert loop is None or 0 < loop.share <= 1
