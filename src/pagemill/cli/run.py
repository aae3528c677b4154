"""`pagemill run`: a batch from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pagemill.cli.console import messages, output
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.cli.leaving import do_not_wait
from pagemill.cli.support import ExitCode, exit_code, fail, warn_of_misspelt_settings
from pagemill.cli.through_prefect import goes_through_prefect
from pagemill.config.options import set_for_this_process
from pagemill.config.prefect_api import configured_api
from pagemill.domain.judging.findings import SUSPECT_BELOW
from pagemill.domain.pages.model import Mode
from pagemill.errors import PagemillError

if TYPE_CHECKING:
    from pagemill.config.run import Settings
    from pagemill.domain.pages.summary import RunSummary
    from pagemill.wiring.batch import Credentials
    from pagemill.wiring.parameters import OcrBatchParameters

EndpointOption = Annotated[
    str,
    typer.Option(
        metavar="URL|local",
        help="The OCR service; 'local': the embedded one. Default: LIGHTONOCR_SERVICE_URL, else local.",
    ),
]
IncludeOption = Annotated[
    str, typer.Option(metavar="GLOB", help="Only documents whose name or path matches, e.g. '2024/*.pdf'.")
]


def run(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="gs://bucket/prefix, a PDF, a folder, or a .txt list (also in a bucket) of files or gs:// names.",
        ),
    ],
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION", help="gs://bucket/prefix or a folder; each document gets a folder in it."
        ),
    ],
    endpoint: EndpointOption = "",
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Model to ask the endpoint for. Default: PAGEMILL_MODEL.")
    ] = "",
    api_key_env: Annotated[
        str,
        typer.Option(
            metavar="VARIABLE", help="Variable that holds the endpoint's API key. Default: PAGEMILL_API_KEY itself."
        ),
    ] = "",
    include: IncludeOption = "",
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
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Only objects created, and files modified, from then on, e.g. 2026-11-30 or 2026-11-30T06:00+01:00.",
        ),
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="TIME", help="Only objects created, and files modified, before then.")
    ] = "",
    share: Annotated[
        int,
        typer.Option(
            min=0,
            max=64,
            help="Most slots that the run takes, all its shards together; 0: as many as pages in flight.",
        ),
    ] = 0,
    min_score: Annotated[
        float,
        typer.Option(min=0, max=1, help="Pages with a lower score are named as suspects; they stay ok."),
    ] = SUSPECT_BELOW,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KINDS",
            help="Read finished pages again: failed, fallback, suspect; with commas, or several times.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what a run would do; send and write nothing.")
    ] = False,
    prefect: Annotated[
        bool | None,
        typer.Option(
            "--prefect/--no-prefect",
            help="Whether the run is a flow run of Prefect. Default: if a Prefect server is configured.",
            show_default=False,
        ),
    ] = None,
    open_results: Annotated[
        bool, typer.Option("--open", help="Show the folder with the results when the run has ended.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON on the last line.")] = False,
) -> None:
    """Read PDFs and write Markdown, JSONL and a manifest for each of them.

    A second run over finished documents does no work. After an interruption, the same command goes on from there.
    """
    from pagemill.wiring.parameters import checked_parameters

    try:
        parameters = checked_parameters(
            source=source,
            destination=destination,
            endpoint=endpoint,
            include=include,
            pages=pages,
            max_in_flight=max_in_flight,
            mode=mode,
            shards=shards,
            since=since,
            until=until,
            share=share,
            min_score=min_score,
            retry=",".join(retry or ()),
        )
        warn_of_misspelt_settings()
        set_for_this_process(model=model, api_key_env=api_key_env)
        by_prefect = goes_through_prefect(asked=prefect, shards=parameters.shards)
        summary = None if dry_run else read_documents(parameters, by_prefect=by_prefect)
        if dry_run:
            run_until_interrupted(_survey(parameters, by_prefect=by_prefect))
    except PagemillError as error:
        fail(error)
    except KeyboardInterrupt:
        do_not_wait()
        messages().print("interrupted; finished pages are kept, the same command goes on from there")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if summary:
        if open_results:
            _show(summary.destination)
        _finish(summary, as_json=json)


def read_documents(parameters: OcrBatchParameters, *, by_prefect: bool) -> RunSummary:
    """Read everything; return the summary, which the Prefect server need not answer for.

    Raises:
        KeyboardInterrupt: The run was interrupted before its pages were read.
        PagemillError: It ended before it could read pages.
    """
    from pagemill.wiring.watching import RunWatch

    if by_prefect:
        from pagemill.cli.prefect_run import PrefectRun

        flow = PrefectRun(parameters, RunWatch(), api=configured_api())
        return run_until_interrupted(flow.to_its_end(), stop=flow.stop)
    from pagemill.cli.direct_run import DirectRun

    run = DirectRun(parameters, RunWatch())
    return run_until_interrupted(run.to_its_end(), stop=run.stop)


async def _survey(parameters: OcrBatchParameters, *, by_prefect: bool) -> None:
    from pagemill.cli.display import print_survey
    from pagemill.config.run import read_settings
    from pagemill.wiring.batch import open_batch

    settings, credentials = await _from_prefect(parameters) if by_prefect else (read_settings(), None)
    async with open_batch(parameters, settings, credentials=credentials) as batch:
        print_survey(
            await batch.documents.survey(),
            output(),
            in_flight=parameters.in_flight,
            usd_per_second=batch.usd_per_second,
            images=batch.progress.images,
        )


async def _from_prefect(parameters: OcrBatchParameters) -> tuple[Settings, Credentials]:
    """The settings with the published endpoint, and who loads credentials."""
    from pagemill.orchestration.prefect_settings import load_prefect
    from pagemill.orchestration.server.listening import check_listens

    if api := configured_api():
        check_listens(api)
    load_prefect()
    from pagemill.config.run import read_settings
    from pagemill.orchestration.credentials import google_key
    from pagemill.orchestration.server.shared import check_server, configured_url, server_errors_named
    from pagemill.orchestration.service_url import located

    if configured_url():
        await check_server()
    with server_errors_named():
        return await located(read_settings(), parameters.endpoint), google_key


def _show(destination: str) -> None:
    """Open the results as the desktop does; in a terminal without one, nothing happens."""
    if destination.startswith("gs://"):
        destination = f"https://console.cloud.google.com/storage/browser/{destination.removeprefix('gs://')}"
    typer.launch(destination)


def _finish(summary: RunSummary, *, as_json: bool) -> None:
    from json import dumps

    from pagemill.cli.display import print_summary

    if summary.documents:
        print_summary(summary, messages() if as_json else output())
    if as_json:
        output().print(dumps(summary.as_dict()))
    if summary.stopped_by:
        fail(summary.stopped_by)
    raise typer.Exit(exit_code(summary))
