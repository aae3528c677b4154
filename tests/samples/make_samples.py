"""Write the sample PDFs and, beside each, its true text: `python tests/samples/make_samples.py [FOLDER]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.samples import article, blank_between, form, french_german, invoice, letter, rotated, slide

HERE = Path(__file__).parent

SAMPLES: Mapping[str, Callable[[Path], str]] = MappingProxyType(
    {
        "blank-between": blank_between.write,
        "form-filled": form.write,
        "french-german": french_german.write,
        "invoice": invoice.write,
        "landscape-slide": slide.write,
        "rotated-page": rotated.write,
        "scanned-letter": letter.write,
        "two-column-article": article.write,
    }
)


def write_samples(folder: Path) -> None:
    """Write NAME.pdf and NAME.txt for every sample into an existing folder."""
    for name, write in SAMPLES.items():
        truth = write(folder / f"{name}.pdf")
        (folder / f"{name}.txt").write_text(truth, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_samples(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
