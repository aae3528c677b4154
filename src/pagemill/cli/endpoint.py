"""`pagemill endpoint`: the embedded OCR service as a separate program."""

from __future__ import annotations

from typing import Annotated

import typer

from pagemill.cli.support import ExitCode, fail
from pagemill.errors import PagemillError
from pagemill.extras import needs


def endpoint(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    engine: Annotated[str, typer.Option(metavar="auto|rapidocr|tesseract", help="OCR engine.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, max=64, help="Pages to read at once; 0: one for each core.")] = 0,
) -> None:
    """Run the embedded CPU OCR service until it is interrupted. Its API is OpenAI's chat completions."""
    from pagemill.config.run import read_settings
    from pagemill.local_endpoint.engines import SERVICE

    try:
        with needs("local", SERVICE):
            from pagemill.local_endpoint.serving import serve
        tessdata = read_settings().tessdata_prefix
        serve(host=host, port=port, engine=engine, workers=workers or None, tessdata=tessdata)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except PagemillError as error:
        fail(error)
