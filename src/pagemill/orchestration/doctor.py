"""The checks of `pagemill doctor`: what is configured, reachable or missing, and the command that fixes it."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import stamina
from prefect import get_client

from pagemill.config.misspelt import misspelt_variables
from pagemill.config.run import GIB, Settings
from pagemill.domain.pages.model import Recipe
from pagemill.domain.wording import counted
from pagemill.errors import (
    DocumentUnreadable,
    EndpointNotFound,
    EndpointUnavailable,
    OutOfResources,
    PagemillError,
    UsageError,
)
from pagemill.extras import INSTALL_FONTS
from pagemill.local_endpoint.engines import choose_engine, model_id
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.orchestration.credentials import google_key
from pagemill.orchestration.deploy.inspection import inspected_service
from pagemill.orchestration.server.advice import advice
from pagemill.orchestration.server.shared import check_server, configured_url, server_errors_named
from pagemill.orchestration.service_url import located
from pagemill.orchestration.slots import limit as limits
from pagemill.pdf.font_probe import missing_scripts
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.wiring.endpoint import api_key_for, checked_url, endpoint_auth
from pagemill.witness import presence
from pagemill.workers.containment import Containment

_PATIENCE_SECONDS = 10.0
_SERVER = "Prefect server"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str
    ok: bool
    detail: str  # what was found; if something is wrong, also the command that fixes it


async def findings(settings: Settings, *, repair: bool = False) -> AsyncGenerator[Finding, None]:
    """Check everything a run needs, cheapest first. Sends requests to the configured endpoint, and so may wake it.

    Args:
        settings: From the environment.
        repair: Whether to give back slots that no live run holds.
    """
    yield Finding("versions", True, f"pagemill {version('pagemill')}, Prefect {version('prefect')}, {_python()}")
    for variable in misspelt_variables():
        yield Finding("settings", False, f"{variable}; correct or unset it")
    async for finding in _render_workers(settings):
        yield finding
    yield _witness(settings)
    reachable = bool(configured_url())
    async for finding in _prefect_server(settings, repair=repair):
        reachable = reachable and (finding.ok or finding.subject != _SERVER)
        yield finding
    if reachable:
        with server_errors_named():
            settings = await located(settings)
    yield await _endpoint(settings)
    if settings.google_cloud_project:
        ok, detail = await inspected_service(settings)
        yield Finding("GPU service", ok, detail)


def _python() -> str:
    return f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"


async def _render_workers(settings: Settings) -> AsyncIterator[Finding]:
    """Send an empty file: a worker that refuses it as empty works, PDFium included. Then check the fonts."""
    rasterizer = PdfiumRasterizer(
        workers=1,
        page_seconds=settings.page_seconds,
        memory_bytes=int(settings.render_memory_gib * GIB),
        options=RenderOptions(),
    )
    async with rasterizer:
        try:
            with tempfile.NamedTemporaryFile(suffix=".pdf") as empty:
                await rasterizer.page_count(Path(empty.name))
        except DocumentUnreadable as error:
            if "0 bytes" in str(error):
                workers = counted(settings.render_workers, "process", "processes")
                yield Finding("render workers", True, f"{workers} with PDFium")
                # Advice: documents are read all the same where a system lacks a means.
                yield Finding("containment", True, (rasterizer.containment or Containment()).described())
                yield _fonts(await missing_scripts(rasterizer))
            else:
                yield Finding("render workers", False, f"{error}; try a larger PAGEMILL_RENDER_MEMORY_GIB")
            return
        except OutOfResources as error:
            yield Finding("render workers", False, str(error))
            return
    raise AssertionError("an empty file was accepted as a PDF")


def _witness(settings: Settings) -> Finding:
    """Advice: without a witness, pages that may be blank are sent."""
    name = presence.name()
    if not name:
        return Finding(
            "witness", True, "none: pages with hardly any ink are sent; type: pip install 'pagemill[local]' to have one"
        )
    if not settings.witness_workers:
        return Finding("witness", True, f"{name}, switched off by PAGEMILL_WITNESS_WORKERS=0")
    turns = "and tells which way up a page is"
    if not presence.can_tell_orientation():
        turns = "but cannot tell which way up a page is; type: pip install 'pagemill[orientation]' (Python below 3.13)"
    workers = counted(settings.witness_workers, "process", "processes")
    return Finding("witness", True, f"{name}, {workers} at most, looks for text on pages that may be blank, {turns}")


def _fonts(missing: list[str]) -> Finding:
    """Advice: most PDFs embed their fonts, and a page that lacks one says so."""
    if not missing:
        return Finding("fonts", True, "Chinese, Japanese and Korean text is rendered, even if its font is not embedded")
    return Finding(
        "fonts",
        True,
        f"none for {', '.join(missing)}: pages with such text in fonts that are not embedded fail; "
        f"type: {INSTALL_FONTS}",
    )


async def _prefect_server(settings: Settings, *, repair: bool) -> AsyncIterator[Finding]:
    if not configured_url():
        yield Finding(
            _SERVER, True, "none configured: each `pagemill run` starts its own; set PREFECT_API_URL to share one"
        )
        return
    try:
        yield Finding(_SERVER, True, await check_server())
        with server_errors_named():
            async with get_client() as client:
                report = await limits.report_limit(client, settings.concurrency_limit)
                if repair and report.drift > 0:
                    report = await limits.repair(client, report)
                advised = await advice(client)
    except UsageError as error:
        yield Finding(_SERVER, False, str(error))
        return
    yield _slots(report)
    for given in advised:  # not an error: for a server that is seldom restarted, the present settings may do
        yield Finding(given.subject, True, f"{given.problem}; start the server with {given.variable}")


def _slots(report: limits.LimitReport) -> Finding:
    holders = ", ".join(f"{holder.flow_run} {holder.slots}" for holder in report.holders if holder.slots)
    detail = f"'{report.name}': {report.taken} of {report.limit} taken; held by {holders or 'no run'}"
    if report.drift <= 0:
        return Finding("slots", True, detail)
    return Finding(
        "slots",
        False,
        f"{detail}: {report.drift} too many. Slots of a killed run are free within 75 s; "
        "if they are not, type: pagemill doctor --repair",
    )


async def _endpoint(settings: Settings) -> Finding:
    try:
        url = checked_url("", settings)
        if not url:
            return _embedded_endpoint(settings)
        await _probe(url, settings)
    except PagemillError as error:
        return Finding("OCR endpoint", False, str(error))
    return Finding("OCR endpoint", True, f"{url} serves {settings.model}")


async def _probe(url: str, settings: Settings) -> None:
    """Wait a moment for an endpoint that may be starting.

    Raises:
        PagemillError: It cannot be used.
    """

    async def locate() -> str:
        return url

    recognizer = OpenAiRecognizer(
        locate,
        recipe=Recipe(model=settings.model),
        api_key=api_key_for(url, settings),
        auth=endpoint_auth(url, settings, await google_key(settings.gcp_credentials_block)),
    )
    async with recognizer:
        async for attempt in stamina.retry_context(on=_may_start, attempts=None, timeout=_PATIENCE_SECONDS):
            with attempt:
                await recognizer.probe()


def _may_start(error: Exception) -> bool:
    return isinstance(error, EndpointUnavailable) and not isinstance(error, EndpointNotFound)


def _embedded_endpoint(settings: Settings) -> Finding:
    try:
        engine = choose_engine(settings.local_engine, tessdata=settings.tessdata_prefix)
        detail = (
            f"embedded, {model_id(engine, tessdata=settings.tessdata_prefix)}; set LIGHTONOCR_SERVICE_URL for a GPU"
        )
    except PagemillError as error:
        return Finding("OCR endpoint", False, str(error))
    return Finding("OCR endpoint", True, detail)
