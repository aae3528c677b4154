"""What is wrong with a document as a whole is in its manifest, in the summary and in the next run's; nothing fails."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

from pagemill.domain.pages.model import Status
from pagemill.domain.pages.summary import read_summary
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from tests.batch.conftest import Mill
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.raw_pdfs import kids, lettered, write_raw

_FAULTY = Path(__file__).parents[1] / "faulty_inputs"
_FOUND = {
    "b1-count-too-small.pdf": ["/Count says 1 page, the page tree has 3"],
    "b12-portfolio.pdf": ["2 embedded PDFs not read"],
    "sixty-thousand.pdf": ["/Count says 60000 pages, the page tree has 1"],
    "sound.pdf": [],
}


async def test_findings_are_in_every_record_and_fail_nothing(mill: Mill) -> None:
    for name in ("b1-count-too-small.pdf", "b12-portfolio.pdf"):
        shutil.copy(_FAULTY / name, mill.source)
    write_raw(mill.source / "sound.pdf", lettered(["one page"]))
    tree = b"<</Type/Pages/Count 60000/Kids[%s]>>" % kids(1)
    write_raw(mill.source / "sixty-thousand.pdf", lettered(["one page"], tree=tree))

    rasterizer = PdfiumRasterizer(workers=1, page_seconds=30.0, memory_bytes=2 * 2**30, options=RenderOptions())
    async with FakeEndpoint() as endpoint, rasterizer:
        mill.rasterizer = rasterizer
        first = await mill.run(endpoint)
        second = await mill.run(endpoint)
        async with mill.batch("http://127.0.0.1:9") as batch:
            survey = await batch.documents.survey()

    assert first.complete
    assert +Counter(first.statuses) == {Status.OK: 6}
    assert second.requests == 0
    written = read_summary((mill.out / "_runs/test-run/summary.json").read_bytes())
    for summary in (first, second, written):
        assert {outcome.key: list(outcome.findings) for outcome in summary.outcomes} == _FOUND
    assert {document.key: list(document.findings) for document in survey} == _FOUND
    for name, findings in _FOUND.items():
        assert json.loads((mill.out / name / "manifest.json").read_text())["findings"] == findings
    assert (mill.out / "b1-count-too-small.pdf/document.md").read_text().count("<!-- page ") == 3
