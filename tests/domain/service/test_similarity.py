from __future__ import annotations

import pytest

from pagemill.domain.service.similarity import plain, word_f1

_MEGABYTE = 2**20


@pytest.mark.parametrize(
    ("marked_up", "text"),
    [
        ("<!-- page 1 -->\n\n# A **bold** title", "A bold title"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a b"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a b 1 2"),
        ("- one\n- two\n    - three", "one two three"),
        ("„Größe“ – 5&nbsp;m", '"Größe" - 5 m'),
        ("no-break and well-known", "no-break and well-known"),
        ("*leaning* and _leaning_, a_name, 2*3, 4 * 5", "leaning and leaning, a_name, 2*3, 4 * 5"),
        (r"\*no note\*, \$5, 1\. and \# 2", "*no note*, $5, 1. and # 2"),
        ("above\n\n![image](image_1.png)\n\nthe [town](https://town.example)", "above the town"),
        ("Title\n=====\n\n***\n\nText\\\nbelow", "Title Text below"),
        ("a <!-- that never ends", "a <!-- that never ends"),
        ("a < b and b > c", "a < b and b > c"),
    ],
)
def test_markup_is_ignored(marked_up: str, text: str) -> None:
    assert plain(marked_up) == text


@pytest.mark.parametrize(
    "part", ["<!--", "<a", "|", "[", "![", "*", "_", "\n", " \n", "\\", "`", "a_", "> ", "- ", "&"]
)
def test_a_megabyte_of_unfinished_markup_takes_no_longer_than_text(part: str) -> None:
    assert len(plain(part * (_MEGABYTE // len(part)))) <= _MEGABYTE


def test_words_are_counted_as_often_as_they_occur() -> None:
    assert word_f1("a b b", "b a b") == 1.0
    assert word_f1("a a", "a b") == pytest.approx(0.5)
    assert word_f1("x", "a b") == 0.0
