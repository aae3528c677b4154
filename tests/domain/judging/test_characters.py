"""Letters that the page or its document does not have."""

from __future__ import annotations

import sys

import pytest

from pagemill.domain.judging.characters import mixed_finding, script_finding
from pagemill.domain.judging.letters import DocumentLetters, letters_finding

ENGLISH = (
    "The engineer wrote that the harbour would be finished before the winter, although the stones had not arrived and "
    "the workers were waiting for their wages, as every year. He asked again and again, in long letters, the mayor and "
    "the council for patience, for another loan, and for better weather. "
)
PAGES = [ENGLISH.replace("harbour", place) for place in ("bridge", "tower", "station", "church", "canal", "mill") * 2]
RUSSIAN = "Комитет собрался во вторник и утвердил протокол последнего заседания."


def _known(pages: list[str]) -> DocumentLetters:
    letters = DocumentLetters()
    for page in pages:
        letters.add(page)
    return letters


def test_a_script_that_the_layer_does_not_have_is_foreign() -> None:
    assert script_finding(ENGLISH + RUSSIAN, ENGLISH, frozenset())
    assert script_finding(ENGLISH + RUSSIAN, ENGLISH + RUSSIAN, frozenset()) is None
    assert script_finding(ENGLISH + RUSSIAN, "", frozenset()) is None


def test_a_script_that_no_other_page_has_is_foreign_from_ten_pages_on() -> None:
    assert script_finding(RUSSIAN, "", _known(PAGES).scripts)
    assert script_finding(RUSSIAN, "", _known(PAGES[:9]).scripts) is None
    assert script_finding(RUSSIAN, "", _known([*PAGES, RUSSIAN, RUSSIAN]).scripts) is None


@pytest.mark.parametrize(
    "text", ["Ω = 5 kΩ, Δt ≤ 3 µs, α + β", "café Zoë naïve", "e = mc² ½ №5", "東京 (Tokyo)", "ᵃ ʰ ª º"]
)
def test_signs_accents_and_names_are_not_foreign(text: str) -> None:
    assert script_finding(ENGLISH + text, ENGLISH, frozenset()) is None


def test_words_that_mix_look_alike_letters_are_found() -> None:
    assert mixed_finding("Тhе cоuncil аpproved it", "")
    assert mixed_finding("Τhe ΑΒC", "") is None


@pytest.mark.parametrize("text", ["USB-кабель и IP-адрес", "5 µm, 3 kΩ, ΔT, βcarotene", "東京Tower", "Straße"])
def test_words_of_two_scripts_that_people_write_are_not_mixed(text: str) -> None:
    assert mixed_finding(text, "") is None


def test_words_that_the_layer_mixes_too_are_as_on_the_page() -> None:
    assert mixed_finding("Тhе cоuncil", "Тhе cоuncil") is None


def test_junk_among_ten_pages_of_a_language_is_foreign_and_another_page_is_not() -> None:
    junk = "xqzj wvkq zzxj qwpt vbnk xkcd jqvx wzkp trqz plkj mnbv cxzq " * 8

    assert letters_finding(junk, _known(PAGES))
    assert letters_finding(junk, _known(PAGES[:9])) is None
    assert letters_finding(ENGLISH, _known(PAGES)) is None
    assert letters_finding("XQZJ-17", _known(PAGES)) is None


def test_what_is_remembered_of_a_document_is_bounded() -> None:
    letters = DocumentLetters()
    for start in range(30):
        letters.add(
            "".join(chr(0x430 + (start * step * step + step) % 32) + chr(97 + step // 32 % 26) for step in range(9_000))
        )

    assert sys.getsizeof(letters._trigrams) < 2**22  # noqa: SLF001 -- what it weighs is not to be seen from outside
