"""Write the sample PDFs and, beside each, its true text, as words and as Markdown: `python tests/samples/make_samples.py [FOLDER]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.samples import article, blank_between, form, french_german, invoice, letter, rotated, slide
from tests.samples.sheet import TrueText

HERE = Path(__file__).parent

SAMPLES: Mapping[str, Callable[[Path], TrueText]] = MappingProxyType(
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
    """Write NAME.pdf, NAME.txt and NAME.md for every sample into an existing folder."""
    for name, write in SAMPLES.items():
        truth = write(folder / f"{name}.pdf")
        for ending, text in (("txt", truth.words), ("md", truth.markdown)):
            (folder / f"{name}.{ending}").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_samples(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
