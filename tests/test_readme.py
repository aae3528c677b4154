from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.update_settings import PAGES, ROOT, with_settings

_README = ROOT / "README.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_the_table_of_settings_matches_the_code(page: Path) -> None:
    text = page.read_text()

    assert text == with_settings(text, PAGES[page]), "type: .venv/bin/python docs/update_settings.py"


def test_every_promise_names_a_test_or_a_benchmark_that_exists() -> None:
    section = _README.read_text().split("## Promises")[1].split("\n\n")[1]
    proofs = re.findall(r"`(test_\w+|benchmarks/\w+\.py)`", section)
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))

    assert len(proofs) >= len(section.splitlines()) - 2
    for proof in proofs:
        assert (ROOT / proof).exists() if "/" in proof else f"def {proof}(" in tests, proof


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        "deployments/README.md",
        *[f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")],
    ],
)
def test_links_between_pages_point_to_existing_files(page: str) -> None:
    path = Path(ROOT / page)

    for target in re.findall(r"\]\((?!https?://)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target
