from __future__ import annotations

from pathlib import Path

import pytest

from pagemill.config.run import read_settings
from pagemill.errors import UsageError
from pagemill.wiring.batch import open_batch
from pagemill.wiring.parameters import OcrBatchParameters
from tests.fakes.ocr_endpoint import FakeEndpoint
from tests.pdfs import numbered_pdf


def _parameters(folder: Path, endpoint: str) -> OcrBatchParameters:
    return OcrBatchParameters(source=str(folder / "in"), destination=str(folder / "out"), endpoint=endpoint)


async def test_a_run_reaches_an_endpoint_on_this_machine_although_there_is_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "")
    numbered_pdf(tmp_path / "in/a.pdf", 1)

    async with FakeEndpoint() as endpoint, open_batch(_parameters(tmp_path, endpoint.url), read_settings()) as batch:
        summary = await batch.run("a-run")

    assert summary.complete
    assert summary.pages == 1


async def test_a_proxy_that_cannot_be_used_is_named_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://x")

    with pytest.raises(UsageError, match="HTTPS_PROXY has the scheme gopher"):
        async with open_batch(_parameters(tmp_path, "http://127.0.0.1:9"), read_settings()):
            pass
