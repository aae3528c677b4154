"""How well the samples were read: character error rate and word F1 of each against its true text.

    python -m benchmarks.accuracy [OUT]

Reads OUT/NAME.pdf/document.md and tests/samples/NAME.txt. Markup counts for nothing: what is compared is the text.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.table import Table

from pagemill.domain.service.similarity import plain, word_f1

SAMPLES = Path(__file__).parents[1] / "tests" / "samples"
SCANNED = {"scanned-letter"}

LARGEST_BORN_DIGITAL_CER = 0.10  # mean
SMALLEST_BORN_DIGITAL_F1 = 0.95  # mean
LARGEST_SCANNED_CER = 0.15


@dataclass(frozen=True)
class Score:
    """One sample."""

    name: str
    cer: float  # edits for each character of the truth
    word_f1: float  # over words; their order is ignored


def character_error_rate(text: str, truth: str) -> float:
    """Edits that turn `text` into `truth`, for each character of `truth`."""
    return Levenshtein.distance(text, truth) / max(len(truth), 1)


def scores(out: Path) -> list[Score]:
    """Score every sample that has a true text."""
    found = []
    for truth_path in sorted(SAMPLES.glob("*.txt")):
        truth = plain(truth_path.read_text())
        text = plain((out / f"{truth_path.stem}.pdf" / "document.md").read_text())
        found.append(Score(truth_path.stem, character_error_rate(text, truth), word_f1(text, truth)))
    return found


def main() -> int:
    """Print the table; return 1 if a threshold is missed."""
    found = scores(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
    table = Table("sample", "character error rate", "word F1", box=None, title="Text against truth")
    for score in found:
        table.add_row(score.name, f"{score.cer:.3f}", f"{score.word_f1:.3f}")
    born = [score for score in found if score.name not in SCANNED]
    cer = sum(score.cer for score in born) / len(born)
    f1 = sum(score.word_f1 for score in born) / len(born)
    scanned = max(score.cer for score in found if score.name in SCANNED)
    table.add_section()
    table.add_row("mean of the born-digital ones", f"{cer:.3f}", f"{f1:.3f}")
    Console().print(table)
    missed = cer > LARGEST_BORN_DIGITAL_CER or f1 < SMALLEST_BORN_DIGITAL_F1 or scanned > LARGEST_SCANNED_CER
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
