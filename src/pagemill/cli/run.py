"""`pagemill run`: a batch from the command line."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from pagemill.cli.support import ExitCode, console, exit_code, fail
from pagemill.config.environment import set_prefect_defaults
from pagemill.domain.pages.model import Mode
from pagemill.errors import PagemillError, UsageError

if TYPE_CHECKING:
    from pagemill.domain.pages.summary import RunSummary
    from pagemill.orchestration.parameters import OcrBatchParameters


def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="gs://bucket/prefix, a PDF, a folder of PDFs, or a .txt list of files or gs:// names.",
        ),
    ],
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION", help="gs://bucket/prefix or a folder; each document gets a folder in it."
        ),
    ],
    endpoint: Annotated[
        str,
        typer.Option(
            metavar="URL|local",
            help="The OCR service; 'local': the embedded one. Default: LIGHTONOCR_SERVICE_URL, else local.",
        ),
    ] = "",
    include: Annotated[
        str, typer.Option(metavar="GLOB", help="Only documents whose name or path matches, e.g. '2024/*.pdf'.")
    ] = "",
    pages: Annotated[str, typer.Option(metavar="RANGES", help="Only these pages, e.g. 1-3,7,10-.")] = "",
    max_in_flight: Annotated[int, typer.Option(min=1, max=64, help="Maximum number of pages in flight.")] = 8,
    mode: Annotated[
        Mode,
        typer.Option(
            help="auto: send pages that are not blank; force: send blank pages too; text: send only pages without text."
        ),
    ] = Mode.AUTO,
    shards: Annotated[
        int,
        typer.Option(
            min=1, max=64, help="Number of runs on Prefect workers that share the work; 1: this process does it."
        ),
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what a run would do; send and write nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on the last line.")] = False,
) -> None:
    """Read PDFs and write Markdown, JSONL and a manifest for each of them.

    A second run over finished documents does no work. After an interruption, the same command goes on from there.
    """
    from pydantic import ValidationError

    from pagemill.orchestration.parameters import OcrBatchParameters

    try:
        parameters = OcrBatchParameters(
            source=source,
            destination=destination,
            endpoint=endpoint,
            include=include,
            pages=pages,
            max_in_flight=max_in_flight,
            mode=mode,
            shards=shards,
        )
    except UsageError as error:
        fail(error)
    except ValidationError as error:
        problem = error.errors()[0]
        fail(UsageError(f"{problem['loc'][0]} '{problem['input']}': {problem['msg'].removeprefix('Value error, ')}"))
    try:
        if dry_run:
            asyncio.run(_survey(parameters))
            return
        summary = asyncio.run(_run(parameters))
    except PagemillError as error:
        fail(error)
    except (KeyboardInterrupt, asyncio.CancelledError):
        console().print("interrupted; finished pages are kept, the same command goes on from there")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    _finish(summary, as_json=json)


async def _run(parameters: OcrBatchParameters) -> RunSummary:
    set_prefect_defaults()
    from pagemill.batch.progress import Progress
    from pagemill.cli.display import live_display
    from pagemill.flows.ocr_batch import ocr_batch
    from pagemill.orchestration.server.private import prefect_api
    from pagemill.orchestration.server.shared import require_server
    from pagemill.orchestration.wiring import watching

    if parameters.shards > 1:
        await require_server()  # a private server has no workers
    stop = asyncio.current_task()
    assert stop  # noqa: S101 -- for mypy: this is a coroutine
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.cancel)
    progress = Progress()
    with watching(progress):
        async with live_display(progress, console()), prefect_api():
            state = await ocr_batch(parameters, return_state=True)
    outcome = await state.aresult(raise_on_failure=False)
    if isinstance(outcome, Exception):
        raise outcome
    return cast("RunSummary", outcome)


async def _survey(parameters: OcrBatchParameters) -> None:
    from pagemill.cli.display import print_survey
    from pagemill.config.run import read_settings
    from pagemill.orchestration.wiring import open_batch

    settings = read_settings()
    if settings.prefect_api_url:
        set_prefect_defaults()
        from pagemill.orchestration.service_url import located

        settings = await located(settings, parameters.endpoint)
    async with open_batch(parameters, settings) as batch:
        print_survey(
            await batch.documents.survey(),
            Console(),
            in_flight=parameters.max_in_flight,
            usd_per_second=batch.usd_per_second,
        )


def _finish(summary: RunSummary, *, as_json: bool) -> None:
    from json import dumps

    from pagemill.cli.display import print_summary

    if summary.documents:
        print_summary(summary, console() if as_json else Console())
    if as_json:
        sys.stdout.write(dumps(summary.as_dict()) + "\n")
    if summary.stopped_by:
        fail(summary.stopped_by)
    raise typer.Exit(exit_code(summary))
