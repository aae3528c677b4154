"""`pagemill eval`: what was read, beside what stands on the pages."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pagemill.cli.console import messages, output
from pagemill.cli.leaving import do_not_wait
from pagemill.cli.run import EndpointOption, IncludeOption, read_documents
from pagemill.cli.support import ExitCode, fail, warn_of_misspelt_settings
from pagemill.cli.through_prefect import goes_through_prefect
from pagemill.domain.judging.findings import SUSPECT_BELOW
from pagemill.domain.pages.model import Mode
from pagemill.domain.wording import shown
from pagemill.errors import PagemillError, UsageError

if TYPE_CHECKING:
    from pagemill.config.run import Settings
    from pagemill.domain.evaluation.report import Evaluation
    from pagemill.domain.evaluation.scores import Sums

_RUN_OPTIONS = {"endpoint": "", "pages": "", "mode": Mode.AUTO, "keep": ""}  # they have no meaning for a finished run


def evaluate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="PDFs to read, as in pagemill run; or the destination of a finished run, which is not read again.",
        ),
    ],
    truth: Annotated[
        str,
        typer.Argument(
            metavar="TRUTH",
            help="A folder or gs://bucket/prefix with a.md or a.txt for a.pdf, or a/0001.md for its first page; "
            "or the text of the only document.",
        ),
    ],
    endpoint: EndpointOption = "",
    include: IncludeOption = "",
    pages: Annotated[str, typer.Option(metavar="RANGES", help="Read only these pages, e.g. 1-3,7,10-.")] = "",
    mode: Annotated[Mode, typer.Option(help="Which pages are sent, as in pagemill run.")] = Mode.AUTO,
    keep: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where what is read is kept; default: it is removed.")
    ] = "",
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Pages that the run itself gave a lower score are suspects.")
    ] = SUSPECT_BELOW,
    max_cer: Annotated[
        float | None,
        typer.Option(min=0, metavar="RATE", help="Highest character error rate of all pages; above it, exit code 3."),
    ] = None,
    min_word_f1: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="F1", help="Lowest word F1 of all pages; below it, exit code 3."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON on the last line.")] = False,
) -> None:
    """Compare what was read with true texts: characters, words, tables, headings, loops, invented words.

    Reads the PDFs of SOURCE first, unless it is the destination of a finished run.
    """
    from pagemill.config.run import read_settings
    from pagemill.wiring.evaluating import evaluated

    try:
        warn_of_misspelt_settings()
        settings = read_settings()
        options = {"endpoint": endpoint, "pages": pages, "mode": mode, "keep": keep}
        with _results(source, truth, options, settings, include=include, min_score=min_score) as results:
            evaluation = evaluated(results, truth, settings, min_score=min_score, include=include)
    except PagemillError as error:
        fail(error)
    except KeyboardInterrupt:
        do_not_wait()
        messages().print("interrupted")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    _finish(evaluation, max_cer=max_cer, min_word_f1=min_word_f1, as_json=json)


@contextlib.contextmanager
def _results(
    source: str, truth: str, options: Mapping[str, object], settings: Settings, **run: object
) -> Iterator[str]:
    """The destination that is compared: the source itself, or where the run over it writes.

    Args:
        source: PDFs, or the destination of a finished run.
        truth: Where the truths are.
        options: Those of `_RUN_OPTIONS`.
        settings: The environment's.
        run: Parameters of the run that have a meaning for a finished one, too.

    Raises:
        KeyboardInterrupt: The run was interrupted; what it has read is kept.
        PagemillError: It ended early, or there is nothing to compare; what it has read is kept.
    """
    from pagemill.wiring.evaluating import check_truth, is_destination

    if is_destination(source, settings):
        if wrong := [f"--{name}" for name, default in _RUN_OPTIONS.items() if options[name] != default]:
            raise UsageError(
                f"{shown(source)} is the destination of a finished run, which is not read again; "
                f"leave out {' and '.join(wrong)}"
            )
        yield source
        return
    check_truth(truth, settings)
    kept = str(options["keep"])
    folder = kept or tempfile.mkdtemp(prefix="pagemill-eval-")
    run |= {name: value for name, value in options.items() if name != "keep"}
    try:
        _read(source=source, destination=folder, **run)
    except (PagemillError, KeyboardInterrupt):
        if kept or not any(Path(folder).glob("**/pages/*/*.json")):
            _remove(folder, unless=kept)
        else:
            messages().print(f"what was read is kept; to go on from there, type the same with --keep {folder}")
        raise
    try:
        yield folder
    finally:
        _remove(folder, unless=kept)


def _read(**given: object) -> None:
    """Run over the source, and print what became of it.

    Raises:
        KeyboardInterrupt: The run was interrupted.
        PagemillError: It ended early.
    """
    from pagemill.cli.display import print_summary
    from pagemill.wiring.parameters import checked_parameters

    parameters = checked_parameters(**given)
    summary = read_documents(parameters, by_prefect=goes_through_prefect(asked=None, shards=1))
    if summary.documents:
        print_summary(summary, messages())
    if summary.stopped_by:
        raise summary.stopped_by


def _remove(folder: str, *, unless: str) -> None:
    if not unless:
        shutil.rmtree(folder, ignore_errors=True)


def _finish(evaluation: Evaluation, *, max_cer: float | None, min_word_f1: float | None, as_json: bool) -> None:
    from json import dumps

    from pagemill.cli.eval_table import print_evaluation

    print_evaluation(evaluation, messages() if as_json else output())
    if as_json:
        output().print(dumps(evaluation.as_dict()))
    missed = list(_missed(evaluation.sums, max_cer, min_word_f1))
    for words in missed:
        messages().print(f"pagemill: {words}", style="bold red")
    raise typer.Exit(ExitCode.FAILURES if missed or evaluation.problems else ExitCode.DONE)


def _missed(sums: Sums, max_cer: float | None, min_word_f1: float | None) -> Iterator[str]:
    """What is worse than was asked for."""
    if max_cer is not None and sums.cer is not None and sums.cer > max_cer:
        yield f"the character error rate is {sums.cer:.4f}, above {max_cer:g}"
    if min_word_f1 is not None and sums.words.f1 is not None and sums.words.f1 < min_word_f1:
        yield f"word F1 is {sums.words.f1:.4f}, below {min_word_f1:g}"
