from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from pagemill.domain.pages.model import Mode, Recipe


def test_a_recipe_id_is_12_hex_digits_and_stays_the_same() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", Recipe("m").id)
    assert Recipe("m").id == Recipe("m", sampling={"top_p": 0.9, "temperature": 0.2}).id


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"model_revision": "abc"},
        {"prompt": "read"},
        {"mode": Mode.TEXT},
        {"longest_edge_px": 1288},
        {"max_dpi": 200},
        {"max_pieces": 64},
        {"image_format": "jpeg"},
        {"sampling": {"temperature": 0.0}},
        {"max_tokens": 100},
        {"guard_version": 2},
    ],
)
def test_whatever_can_change_the_text_changes_the_recipe_id(change: dict[str, Any]) -> None:
    assert replace(Recipe("m"), **change).id != Recipe("m").id
