"""What an operator does in the Prefect UI, done in the Prefect UI."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from playwright.async_api import TimeoutError as PlaywrightTimeoutError
from playwright.async_api import expect
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun

from tests.browser.conftest import Browser
from tests.fakes.ocr_process import Endpoint
from tests.pdfs import numbered_pdf

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("worker"), pytest.mark.timeout(1200)]

_PATIENCE_SECONDS = 120.0
_OPTIONS = {"Since": "2020-01-01", "Until": "2099-12-31T12:00", "Share": "2"}  # what the form has of the command line
_CLICK_AGAIN_MILLISECONDS = 10_000.0
_CREATING = re.compile("/create_flow_run$")
_A_FORM = re.compile("/run$")


async def _form(browser: Browser, client: PrefectClient) -> None:
    deployment = await client.read_deployment_by_name("ocr-batch/on-demand")
    await browser.opens(f"/deployments/deployment/{deployment.id}/run")


async def _fill(browser: Browser, label: str, text: str) -> None:
    field = browser.page.get_by_label(label, exact=False).first
    await field.fill(text)
    await field.blur()
    await expect(field).to_have_value(text)


async def _submit(browser: Browser) -> None:
    await browser.page.get_by_role("button", name="Submit").click()


async def _start(browser: Browser) -> None:
    """Submit the form, which must be right; the UI then shows the run.

    The UI takes in what was typed after a moment. A click before that sends nothing, and the UI does not say so.
    """
    try:
        async with browser.page.expect_request(_CREATING, timeout=_CLICK_AGAIN_MILLISECONDS):
            await _submit(browser)
    except PlaywrightTimeoutError:
        await _submit(browser)
    await expect(browser.page).not_to_have_url(_A_FORM)


async def _run(client: PrefectClient, wanted: Callable[[FlowRun], bool]) -> FlowRun:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            for run in await client.read_flow_runs():
                if wanted(run):
                    return run
            await asyncio.sleep(0.5)


async def test_a_run_is_started_from_the_form_and_shows_its_results(
    browser: Browser, client: PrefectClient, endpoint: Endpoint, samples: Path, tmp_path: Path
) -> None:
    await _form(browser, client)
    await _fill(browser, "Source", "gs://archive/contracts")
    await _fill(browser, "Destination", "gs://archive-text/contracts")
    await browser.keeps("form")  # README.md shows it
    await _fill(browser, "Source", str(samples))
    await _fill(browser, "Destination", str(tmp_path / "out"))
    for label, text in _OPTIONS.items():
        await _fill(browser, label, text)
    await _start(browser)

    run = await _run(client, lambda run: bool(run.state and run.state.is_final()))
    assert run.state
    assert run.state.is_completed(), run.state.message
    typed = {label: str(run.parameters["parameters"][label.lower()]) for label in _OPTIONS}
    assert typed == _OPTIONS
    await browser.opens(f"/runs/flow-run/{run.id}")
    await expect(browser.page.get_by_text("Completed").first).to_be_visible()
    await browser.page.get_by_role("tab", name="Artifacts").click()
    await expect(browser.page.get_by_text("ocr-documents").first).to_be_visible()
    await browser.keeps("artifacts")
    assert run.name == f"ocr {samples}"
    assert sum(endpoint.sent.values()) == 12
    assert (tmp_path / "out/invoice.pdf/document.md").exists()


async def test_a_wrong_parameter_shows_its_error_at_the_field(
    browser: Browser, client: PrefectClient, tmp_path: Path
) -> None:
    await _form(browser, client)
    await _fill(browser, "Source", str(tmp_path))
    await _fill(browser, "Destination", str(tmp_path / "out"))
    await _fill(browser, "Endpoint", "ftp://nowhere")
    await _submit(browser)

    await expect(browser.page.get_by_text("does not match").first).to_be_visible()
    await browser.keeps("wrong-parameter")
    assert not await client.read_flow_runs()


async def test_a_run_that_is_cancelled_stops_sending_keeps_what_is_done_and_leaves_no_process(
    browser: Browser, client: PrefectClient, endpoint: Endpoint, tmp_path: Path
) -> None:
    numbered_pdf(tmp_path / "in/a.pdf", 400)
    await _form(browser, client)
    await _fill(browser, "Source", str(tmp_path / "in"))
    await _fill(browser, "Destination", str(tmp_path / "out"))
    await _start(browser)
    run = await _run(client, lambda run: bool(run.state and run.state.is_running()))
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while len(endpoint.sent) < 10:  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.2)

    await browser.opens(f"/runs/flow-run/{run.id}")
    await browser.page.get_by_role("button", name="Open menu").first.click()
    await browser.page.get_by_role("menuitem", name="Cancel").click()
    await browser.page.get_by_role("button", name="Cancel Flow Run").click()

    run = await _run(client, lambda found: found.id == run.id and bool(found.state and found.state.is_final()))
    await browser.keeps("cancelled")
    sent = len(endpoint.sent)
    assert run.state
    assert run.state.is_cancelled()
    assert sent < 400
    assert len(list((tmp_path / "out").rglob("0*.json"))) >= 8
    assert _processes_of(run.id) == []
    assert (await client.read_global_concurrency_limit_by_name("lightonocr-endpoint")).active_slots == 0
    assert len(endpoint.sent) == sent


def _processes_of(run: UUID) -> list[str]:
    """Processes that still work for a flow run: render workers among them."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run):
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
