"""What judging a page costs, and how right it is: on made-up defects and honest texts, and on text layers of PDFs.

    python -m benchmarks.judging            # the labelled sets, made-up reports, and the PDFs in tests/
    python -m benchmarks.judging FOLDER     # and all PDFs below a folder, whose text layers are taken as transcripts

Times are CPU times of this process. Prints tables; ends with 1 if a promise of docs/quality.md is broken.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pypdfium2 as pdfium
from rich.console import Console
from rich.table import Table

from benchmarks import vocabulary as v
from benchmarks.corpus import born_digital
from benchmarks.layered_pages import DAMAGES, layered_pages
from benchmarks.transcripts import Case, hard_cases, soft_cases
from pagemill.domain.judging.findings import Judgement
from pagemill.domain.judging.judge import Evidence, judge
from pagemill.domain.pages.model import Transcript

MEDIAN_MS, LONG_MS = 2.0, 20.0
LEAST_RIGHT = 0.99
MOST_REFUSED = 0.005  # of honest text layers
LEAST_SUSPECTS, MOST_SUSPECTS = 0.95, 0.02  # of damaged pages, of undamaged ones
_DAMAGED_SHARES = (0.05, 0.1, 0.3)
_TESTS = Path(__file__).parents[1] / "tests"
_PAGES = 240  # of made-up reports whose layers are taken as transcripts


def main() -> int:
    """Measure; return how many promises are broken."""
    table = Table("measured", "result", "promise", title="Judging")
    broken = 0
    folders = [Path(argument) for argument in sys.argv[1:]]
    for what, result, promise, is_kept in [*_costs(), *_labelled(), *_disagreement(), *_layers(folders)]:
        table.add_row(what, result, promise if is_kept else f"[red]{promise}")
        broken += not is_kept
    Console().print(table)
    return min(broken, 1)


_Row = tuple[str, str, str, bool]


def _milliseconds(transcript: Transcript, evidence: Evidence) -> float:
    started = time.process_time()
    judge(transcript, evidence)
    return 1000 * (time.process_time() - started)


def _costs() -> Iterator[_Row]:
    """A usual page beside seven others in flight, with a layer that differs a little; and one of 20,000 words."""
    rng = random.Random(1)  # noqa: S311 -- made-up texts, no secrets
    pages = [page.markdown for page in layered_pages(60, seed=3)]
    usual = []
    for index in range(7, len(pages)):
        in_flight, layer = tuple(pages[index - 7 : index]), pages[index].replace("water", "waiter")
        evidence = Evidence(132, 0.05, 1540 * 1089, layer, in_flight=in_flight)
        usual.append(_milliseconds(Transcript(pages[index], "stop", 1, 1, 1), evidence))
    median = statistics.median(usual)
    yield "a usual page, median", f"{median:.2f} ms", f"at most {MEDIAN_MS:.0f} ms", median <= MEDIAN_MS
    texts = {
        "20,000 words": v.prose(rng, 20_000),
        "a table of 5,000 cells": "".join(
            f"<tr><td>{v.code(rng)}</td><td>{v.amount(rng)}</td></tr>" for _ in range(2500)
        ),
        "20,000 characters of Chinese": v.unspaced(rng, 20_000, v.CHINESE),
    }
    for what, text in texts.items():
        transcript, evidence = (
            Transcript(text, "stop", 1, 1, 1),
            Evidence(132, 0.1, 1540 * 1089, in_flight=tuple(pages[:7])),
        )
        cost = min(_milliseconds(transcript, evidence) for _ in range(5))
        yield what, f"{cost:.1f} ms", f"at most {LONG_MS:.0f} ms", cost <= LONG_MS


def _labelled() -> Iterator[_Row]:
    for half, name in enumerate(("chosen on", "held out")):
        promised = f"at least {LEAST_RIGHT}"
        recall, precision = _recall_and_precision(hard_cases(half), lambda judgement: judgement.refused)
        yield f"hard signals, {name}: recall", f"{recall:.4f}", promised, recall >= LEAST_RIGHT
        yield f"hard signals, {name}: precision", f"{precision:.4f}", promised, precision >= LEAST_RIGHT
        recall, precision = _recall_and_precision(soft_cases(half), lambda judgement: judgement.suspect)
        yield f"remarks and tails, {name}: recall", f"{recall:.4f}", promised, recall >= LEAST_RIGHT
        yield f"remarks and tails, {name}: precision", f"{precision:.4f}", promised, precision >= LEAST_RIGHT


def _recall_and_precision(cases: Iterable[Case], is_found: Callable[[Judgement], bool]) -> tuple[float, float]:
    counts = Counter((case.defect is not None, is_found(judge(case.transcript, case.evidence))) for case in cases)
    right = counts[True, True]
    return right / (right + counts[True, False]), right / (right + counts[False, True])


def _disagreement() -> Iterator[_Row]:
    rng = random.Random(2)  # noqa: S311 -- made-up texts, no secrets
    pages = list(layered_pages(200, seed=5))

    def suspects(transcripts: Iterable[str]) -> float:
        judged = [
            judge(Transcript(text, "stop", 1, 1, 1), Evidence(layer=page.layer)).suspect
            for text, page in zip(transcripts, pages, strict=True)
        ]
        return statistics.mean(judged)

    share = suspects(page.markdown for page in pages)
    yield "undamaged pages with a layer: suspects", f"{share:.3f}", f"at most {MOST_SUSPECTS}", share <= MOST_SUSPECTS
    for damage in DAMAGES:
        name = damage.__name__.replace("_", " ")
        for damaged in _DAMAGED_SHARES:
            share = suspects(damage(rng, page.markdown, damaged) for page in pages)
            yield (
                f"{name} ({damaged:.0%}): suspects",
                f"{share:.3f}",
                f"at least {LEAST_SUSPECTS}",
                share >= LEAST_SUSPECTS,
            )


def _layers(folders: Iterable[Path]) -> Iterator[_Row]:
    refused: list[str] = []
    pages = 0
    with tempfile.TemporaryDirectory() as folder:
        made_up = born_digital(Path(folder) / "reports.pdf", pages=_PAGES)
        for path in [made_up, *(found for place in (_TESTS, *folders) for found in sorted(place.rglob("*.pdf")))]:
            for number, text in _texts(path):
                pages += 1
                judgement = judge(Transcript(text, "stop", 1, 1, 1), Evidence())
                if judgement.refused:
                    refused.append(f"{path.name} p. {number}: {judgement.findings[0].words}")
    for line in refused:
        Console().print(line, markup=False)
    yield (
        f"text layers of {pages} pages as transcripts: refused",
        f"{len(refused) / pages:.4f}",
        f"at most {MOST_REFUSED}",
        len(refused) <= MOST_REFUSED * pages,
    )


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """The text layers of a PDF that have some words."""
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError:
        return
    with document:
        for number in range(1, len(document) + 1):
            try:
                text = document[number - 1].get_textpage().get_text_bounded()
            except pdfium.PdfiumError:
                continue
            if len(text.split()) > 2:
                yield number, text


if __name__ == "__main__":
    sys.exit(main())
