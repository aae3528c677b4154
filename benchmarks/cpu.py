"""CPU milliseconds for a page, and what they are spent on.

Rendering, encoding, HTTP and checkpoints are measured alone, each in one thread over the same pages. The sum is
measured over whole runs of the product, Prefect's server included, minus the CPU time of a run of one page (imports,
start-up). The rest, after the parts are subtracted, is orchestration.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.corpus import born_digital
from benchmarks.processes import pagemill_run
from pagemill.domain.pages import assembly
from pagemill.domain.pages.model import PageResult, Recipe, Rendering, Status
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.pdf.page import RenderOptions, RenderPage
from pagemill.pdf.pdf_file import PdfFile
from pagemill.pdf.rendering import PdfPages
from pagemill.ports import ABSENT
from pagemill.storage.local_store import LocalStore
from tests.fakes.ocr_process import Endpoint, running_endpoint

DOCUMENTS, PAGES = 10, 96  # so many that the start of the second render worker, a second, is little beside them
PROMISED_MS = 40.0


def rendered(path: Path) -> list[Rendering]:
    """All pages of a document, rendered in this process."""
    pages = PdfPages(RenderOptions())
    with PdfFile.opened(path) as file:
        answers = [pages.answer(RenderPage(file, number)) for number in range(1, PAGES + 1)]
    return [answer for answer in answers if isinstance(answer, Rendering)]


async def http_seconds(images: list[bytes], target: Endpoint) -> float:
    """CPU seconds a page of the OCR client."""

    async def locate() -> str:
        return target.url

    async with OpenAiRecognizer(locate, recipe=Recipe("lightonai/LightOnOCR-2-1B")) as recognizer:
        await recognizer.probe()
        started = time.process_time()
        for image in images:
            await recognizer.read(image, max_tokens=4096)
        return (time.process_time() - started) / len(images)


def checkpoint_seconds(folder: Path) -> float:
    """CPU seconds a page of writing checkpoints."""
    store, text = LocalStore(folder), "A line of an ordinary page of text.\n" * 60
    started = time.process_time()
    for number in range(PAGES):
        body = assembly.to_json(PageResult(number, Status.OK, text)).encode()
        store.write(f"pages/{number}.json", body, content_type="application/json", if_version=ABSENT)
    return (time.process_time() - started) / PAGES


def total_seconds(folder: Path, source: Path) -> tuple[float, int]:
    """CPU seconds of all processes of a run, and the pages it read."""
    with running_endpoint(0.05) as target:
        run = pagemill_run(source, folder / f"out-{source.stem}", target.url, home=folder / "prefect")
    return sum(run.cpu_seconds.values()), run.summary["ok"]


def main() -> int:
    """Print the table; return 1 if the promise is broken."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        paths = [born_digital(folder / "in" / f"{n:02}.pdf", pages=PAGES, seed=n) for n in range(DOCUMENTS)]
        renderings = rendered(paths[0])
        with running_endpoint(0.0) as target:
            http = asyncio.run(http_seconds([page.png for page in renderings if page.png], target))
        parts = {
            "render": sum(page.render_seconds for page in renderings) / len(renderings),
            "encode": sum(page.encode_seconds for page in renderings) / len(renderings),
            "HTTP": http,
            "checkpoint": checkpoint_seconds(folder / "store"),
        }
        one = born_digital(folder / "one.pdf", pages=1)
        total_seconds(folder, one)  # Prefect creates its database
        start_up, _ = total_seconds(folder, one.rename(folder / "start-up.pdf"))
        everything, pages = total_seconds(folder, folder / "in")
    total = (everything - start_up) / (pages - 1)
    table = Table("part", "CPU ms a page", "share", box=None)
    for part, seconds in {**parts, "orchestration and the rest": total - sum(parts.values())}.items():
        table.add_row(part, f"{1000 * seconds:.2f}", f"{seconds / total:.2f}")
    table.add_section()
    table.add_row(f"in all (promised: at most {PROMISED_MS:g})", f"{1000 * total:.2f}", "1.00")
    Console().print(table)
    return int(1000 * total > PROMISED_MS)


if __name__ == "__main__":
    sys.exit(main())
