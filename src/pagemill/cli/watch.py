"""`pagemill watch`: uploads to a bucket become runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pagemill.cli.console import messages, output
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.cli.leaving import do_not_wait
from pagemill.cli.support import ExitCode, fail, warn_of_misspelt_settings
from pagemill.errors import PagemillError

if TYPE_CHECKING:
    from pagemill.orchestration.uploads.parameters import WatchParameters
    from pagemill.uploads.watch import WatchCounts


def watch(
    subscription: Annotated[
        str,
        typer.Option(help="Pub/Sub subscription of the bucket's notifications. Default: PAGEMILL_WATCH_SUBSCRIPTION."),
    ] = "",
    destination: Annotated[
        str, typer.Option(help="gs://bucket/prefix or a folder. Default: PAGEMILL_WATCH_DESTINATION.")
    ] = "",
    minutes: Annotated[int, typer.Option(min=0, max=10_080, help="How long to watch; 0: until interrupted.")] = 0,
) -> None:
    """Watch uploads to a bucket: gather them, write a list, and start one run of ocr-batch/on-upload for many.

    Prefect's workers read the uploads; they need not run here. The settings are PAGEMILL_WATCH_ variables.
    """
    from pagemill.orchestration.prefect_settings import load_prefect

    try:
        warn_of_misspelt_settings()
        load_prefect()
        from pagemill.orchestration.uploads.parameters import WatchParameters

        parameters = WatchParameters(subscription=subscription, destination=destination, minutes=minutes)
        counts = run_until_interrupted(_watched(parameters))
    except PagemillError as error:
        fail(error)
    except KeyboardInterrupt:
        do_not_wait()
        messages().print("interrupted; uploads that no run reads yet are delivered again")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    output().print(str(counts))


async def _watched(parameters: WatchParameters) -> WatchCounts:
    from pagemill.orchestration.uploads.wiring import watch_until_the_end

    return await watch_until_the_end(parameters, messages().print)
