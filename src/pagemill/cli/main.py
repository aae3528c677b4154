"""The command line. Each command imports what is slow to import when it runs: `--help` answers at once."""

from __future__ import annotations

import typer

from pagemill.cli.deploy import build_runner, deploy
from pagemill.cli.endpoint import endpoint
from pagemill.cli.run import run
from pagemill.cli.server import doctor, register

app = typer.Typer(
    name="pagemill",
    help="Turns PDFs into Markdown, a page at a time, on an OCR service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (run, endpoint, register, doctor, deploy, build_runner):
    app.command()(command)
