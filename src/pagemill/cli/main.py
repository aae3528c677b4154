"""The app of the command line. Commands import slow modules only when they run, so that `--help` answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from pagemill.cli.console import messages, output, prepare_streams
from pagemill.cli.deploy import build_runner, deploy
from pagemill.cli.endings import ending_of, flushed
from pagemill.cli.endpoint import endpoint
from pagemill.cli.eval import evaluate
from pagemill.cli.leaving import do_not_wait
from pagemill.cli.plain_help import PlainCommand, PlainGroup
from pagemill.cli.run import run
from pagemill.cli.server import doctor, register
from pagemill.cli.status import status
from pagemill.cli.support import ExitCode
from pagemill.cli.watch import watch
from pagemill.config.proxies import exempt_own_addresses

app = typer.Typer(
    name="pagemill",
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (run, watch, endpoint, register, doctor, deploy, status, build_runner):
    app.command(cls=PlainCommand)(command)
app.command("eval", cls=PlainCommand)(evaluate)  # `eval` is a function of Python


def _print_version(*, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        output().print(f"pagemill {version('pagemill')}")
        raise typer.Exit


@app.callback()
def program(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Turns PDFs into Markdown, page by page, with an OCR service."""


_NOBODY_READS = 1  # typer's status where the reader of the output has gone, as with `pagemill --help | head -1`


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command to its end.

    Args:
        arguments: After the name of the program; None: those that it was started with.

    Returns:
        One of `ExitCode`, whatever happens.
    """
    prepare_streams()
    exempt_own_addresses()
    try:
        code = ExitCode(app(arguments, prog_name="pagemill", standalone_mode=False) or ExitCode.DONE)
    except (KeyboardInterrupt, typer.Abort):  # typer.Abort: a prompt without an answer
        do_not_wait()
        messages().print("interrupted")
        code = ExitCode.INTERRUPTED
    except SystemExit as ending:
        code = ExitCode.DONE if ending.code == _NOBODY_READS else ending_of(RuntimeError(f"status {ending.code}"))
    except Exception as error:  # noqa: BLE001 -- every ending is typed, also that of a defect
        code = ending_of(error)
    return flushed(code)
