"""The app of the command line. Commands import slow modules only when they run, so that `--help` answers at once."""

from __future__ import annotations

import typer

from pagemill.cli.deploy import build_runner, deploy
from pagemill.cli.endpoint import endpoint
from pagemill.cli.run import run
from pagemill.cli.server import doctor, register

app = typer.Typer(
    name="pagemill",
    help="Turns PDFs into Markdown, page by page, with an OCR service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (run, endpoint, register, doctor, deploy, build_runner):
    app.command()(command)
