from __future__ import annotations

import pytest

from pagemill.domain.pages.quality import text_layer_is_usable


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        ("The quick brown fox jumps over the lazy dog", True),
        ("Seite 3 von 9", False),  # a page number over a scan
        ("", False),
        ("\ufffd\ue000\ue001\x02" * 20, False),  # a broken character map
        ("Die Größe, très élevée: 漢字漢字 и русский", True),
    ],
)
def test_only_long_and_clean_embedded_text_replaces_a_page(text: str, *, usable: bool) -> None:
    assert text_layer_is_usable(text) is usable
