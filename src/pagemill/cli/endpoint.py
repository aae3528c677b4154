"""`pagemill endpoint`: the embedded OCR service as a program of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from pagemill.cli.support import ExitCode, fail
from pagemill.errors import PagemillError


def endpoint(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    engine: Annotated[str, typer.Option(metavar="auto|rapidocr|tesseract", help="What reads the pages.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, max=64, help="Pages read at once; 0: one a core.")] = 0,
) -> None:
    """Serve the embedded CPU OCR service, which speaks OpenAI's chat completions, until interrupted."""
    from pagemill.config.run import read_settings
    from pagemill.local_endpoint.serving import serve

    try:
        tessdata = read_settings().tessdata_prefix
        serve(host=host, port=port, engine=engine, workers=workers or None, tessdata=tessdata)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except PagemillError as error:
        fail(error)
