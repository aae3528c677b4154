from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.update_readme import README, with_settings

_ROOT = README.parent


def test_the_table_of_settings_is_the_one_that_the_code_stands_for() -> None:
    assert README.read_text() == with_settings(README.read_text()), "type: .venv/bin/python docs/update_readme.py"


def test_every_promise_names_a_test_or_a_benchmark_that_exists() -> None:
    section = README.read_text().split("## Promises")[1].split("\n\n")[1]
    proofs = re.findall(r"`(test_\w+|benchmarks/\w+\.py)`", section)
    tests = "".join(path.read_text() for path in (_ROOT / "tests").rglob("test_*.py"))

    assert len(proofs) >= len(section.splitlines()) - 2
    for proof in proofs:
        assert (_ROOT / proof).exists() if "/" in proof else f"def {proof}(" in tests, proof


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *[f"docs/{p.name}" for p in (_ROOT / "docs").glob("*.md")]]
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = Path(_ROOT / page)

    for target in re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target
