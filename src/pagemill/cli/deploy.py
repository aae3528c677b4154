"""`pagemill deploy`: the GPU service from the command line."""

from __future__ import annotations

import asyncio
import importlib
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pagemill.cli.console import messages, output
from pagemill.cli.deletion import delete_service
from pagemill.cli.interrupts import run_until_interrupted
from pagemill.cli.service_log import print_log
from pagemill.cli.smoke import print_smoke_test
from pagemill.cli.support import ExitCode, fail, warn_of_misspelt_settings
from pagemill.errors import PagemillError, UsageError
from pagemill.extras import needs

if TYPE_CHECKING:
    from pagemill.domain.service.deployment import Deployment
    from pagemill.orchestration.deploy.parameters import DeployParameters
    from pagemill.rollout.rollout import Plan

_DEPLOY = "pagemill deploy"


def deploy(
    project: Annotated[str, typer.Option(help="Google Cloud project. Default: GOOGLE_CLOUD_PROJECT.")] = "",
    region: Annotated[str, typer.Option(help="Cloud Run region. Default: PAGEMILL_SERVICE_REGION.")] = "",
    max_instances: Annotated[
        int, typer.Option(min=0, max=100, help="Maximum number of instances. Default: PAGEMILL_SERVICE_MAX_INSTANCES.")
    ] = 0,
    cpu: Annotated[
        int, typer.Option(min=0, max=8, help="vCPU of an instance: 4, 6 or 8. Default: PAGEMILL_SERVICE_CPU.")
    ] = 0,
    memory: Annotated[
        int,
        typer.Option(
            min=0,
            max=32,
            help="GiB of an instance, 16 to 32; at most 16 with 4 vCPU. Default: PAGEMILL_SERVICE_MEMORY_GIB.",
        ),
    ] = 0,
    wait_for_idle: Annotated[
        bool,
        typer.Option(
            "--wait-for-idle", help="Start the new revision once the present one has no instance, for a small quota."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would change and what it costs.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Roll back to the previous verified revision.")] = False,
    revision: Annotated[
        str,
        typer.Option(help="Go to this verified revision, or with --logs print its log; `pagemill status` lists them."),
    ] = "",
    logs: Annotated[
        bool, typer.Option("--logs", help="Print the last 100 lines of the log: of the newest revision, or --revision.")
    ] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the service; you have to type PROJECT/SERVICE.")
    ] = False,
    canary: Annotated[
        str,
        typer.Option(
            help="Gradual traffic, as in 5,50,100: percents of the requests, each watched for errors and latency."
        ),
    ] = "",
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="Try the project with a small service without a GPU, for cents; it is deleted again."
        ),
    ] = False,
    approval: Annotated[bool, typer.Option("--approval", help="Pause for an approval in the Prefect UI.")] = False,
) -> None:
    """Build the GPU image, deploy it as a revision without traffic, verify it, move the traffic, publish the URL.

    The previous revision keeps serving until the new one is verified, and if it fails. The settings are
    PAGEMILL_SERVICE_ variables.
    """
    from pagemill.orchestration.prefect_settings import load_prefect

    try:
        going_back = rollback or (bool(revision) and not logs)
        if dry_run + going_back + delete + smoke + logs > 1:
            raise UsageError("choose one of --dry-run, --rollback or --revision, --delete, --smoke, and --logs")
        if smoke and (max_instances or cpu or memory or wait_for_idle or approval or canary):
            raise UsageError("--smoke has a service of its own: only --project and --region go with it")
        if not re.fullmatch(r"[a-z0-9-]*", revision):
            raise UsageError(f"--revision '{revision}' is no name of a revision; `pagemill status` lists them")
        _check_steps(canary, is_new=not (going_back or delete or logs), wait_for_idle=wait_for_idle)
        warn_of_misspelt_settings()
        load_prefect()
        from pagemill.orchestration.deploy.parameters import Action, DeployParameters

        parameters = DeployParameters(
            action=Action.SMOKE if smoke else Action.ROLL_BACK if going_back else Action.DEPLOY,
            revision=revision,
            project=project,
            region=region,
            max_instances=max_instances,
            cpu=cpu,
            memory_gib=memory,
            wait_for_idle=wait_for_idle,
            canary=canary,
            approval=approval,
        )
        if dry_run:
            run_until_interrupted(_preview(parameters))
        elif delete:
            delete_service(parameters, _print_status)
        elif logs:
            print_log(parameters, _print_status)
        else:  # as long as it takes to send the requests where they went before
            _conclude(_deploy(parameters))
    except PagemillError as error:
        fail(error)
    except KeyboardInterrupt:
        messages().print(
            "the smoke test was interrupted" if smoke else "interrupted; the previous revision keeps serving"
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def _check_steps(canary: str, *, is_new: bool, wait_for_idle: bool) -> None:
    """Check the percents of gradual traffic.

    Raises:
        UsageError: They are none, or other options do not go with them.
    """
    from pagemill.domain.service.load import traffic_steps

    if canary and not is_new:
        raise UsageError("--canary is for a new revision: --rollback, --revision, --delete and --logs do not have it")
    if canary and wait_for_idle:
        raise UsageError("--canary needs two revisions at once, and --wait-for-idle is for a quota that has no room")
    try:
        traffic_steps(canary)
    except ValueError as error:
        raise UsageError(f"--canary: {error}") from error


def build_runner() -> None:
    """Build the image of the flows with Cloud Build, unless there is one of the same source, and print its digest.

    The Cloud Run jobs of the work pool run this image. The settings are PAGEMILL_SERVICE_ variables, as for `deploy`.
    """
    from pagemill.config.run import read_settings
    from pagemill.config.service import read_service_settings
    from pagemill.orchestration.prefect_settings import load_prefect

    try:
        load_prefect()
        with needs("deploy", "pagemill build-runner"):
            from pagemill.orchestration.deploy.image_build import runner_image

        settings = read_service_settings()
        _print_status(f"project {settings.project}, region {settings.region}, repository {settings.repository}")
        building = runner_image(settings, read_settings(), _print_status)
        image = run_until_interrupted(building, clean_up_seconds=None)
    except PagemillError as error:
        fail(error)
    except KeyboardInterrupt:
        messages().print("interrupted; the build was cancelled")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    output().print(f"export PAGEMILL_POOL_IMAGE={image.reference}")
    _print_status("then type: pagemill register && prefect --no-prompt deploy --all")


def _deploy(parameters: DeployParameters) -> Deployment:
    """Deploy; return the record.

    Raises:
        KeyboardInterrupt: The deployment was interrupted, and is Cancelled in Prefect.
    """
    with needs("deploy", _DEPLOY):  # the flow checks this as well, but only after a Prefect server has started
        importlib.import_module("pagemill.orchestration.deploy.wiring")
    from pagemill.flows.deploy_service import deploy_service
    from pagemill.orchestration.deploy.session import DeploymentWatch, watching
    from pagemill.orchestration.server.private import prefect_api
    from pagemill.orchestration.server.shared import server_errors_named

    watch, begun = DeploymentWatch(announce=_print_status), asyncio.Event()

    async def to_its_end() -> Deployment:
        with watching(watch), server_errors_named():
            async with prefect_api():
                begun.set()
                state: Any = await deploy_service(parameters, return_state=True)
            if state.is_cancelled():
                raise asyncio.CancelledError
            outcome: Deployment | Exception = await state.aresult(raise_on_failure=False)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

    def stop(task: asyncio.Task[Deployment]) -> None:
        if begun.is_set():
            watch.interrupt()
        else:
            task.cancel()

    try:
        return run_until_interrupted(to_its_end(), stop=stop, clean_up_seconds=None)
    finally:
        if watch.record and watch.record.smoke:
            print_smoke_test(watch.record)


def _conclude(record: Deployment) -> None:
    screen = output()
    if record.smoke:
        screen.print(f"{record.service}: the smoke test {record.outcome}")
        return
    table = Table("page", "word F1", "seconds", "tokens", box=None, title="Canary pages")
    for result in record.canaries:
        tokens = str(result.completion_tokens)
        table.add_row(result.name, f"{result.word_f1:.3f}", f"{result.seconds:.1f}", tokens)
    screen.print(table, soft_wrap=False)
    screen.print(f"{record.service}: {record.outcome}, revision {record.revision}")
    screen.print(f"LIGHTONOCR_SERVICE_URL={record.url}")


async def _preview(parameters: DeployParameters) -> None:
    """Print the plan, the problems of the project, and the cost; change nothing."""
    from pagemill.config.run import read_settings
    from pagemill.config.service import read_service_settings
    from pagemill.rollout.preflight import numbered

    with needs("deploy", _DEPLOY):
        from pagemill.orchestration.deploy.wiring import open_rollout

    async def never(*_: str) -> None:
        raise AssertionError("a preview builds nothing")

    settings = read_service_settings(**parameters.overrides())
    _print_status(settings.where)
    async with open_rollout(
        settings,
        read_settings(),
        announce=_print_status,
        build_started=never,
        wait_for_idle=parameters.wait_for_idle,
        steps=parameters.steps,
    ) as rollout:
        problems = await rollout.problems()
        plan = await rollout.plan(checked=False)
    _print_plan(plan, rollout.record)
    if parameters.steps:
        shares = ", ".join(f"{step} %" for step in parameters.steps)
        minutes = len(parameters.steps) * settings.step_seconds / 60
        output().print(f"gradual traffic: {shares} of the requests, {minutes:.0f} min in all")
    if problems:
        count = f"{len(problems)} {'problem prevents' if len(problems) == 1 else 'problems prevent'} a deployment"
        raise UsageError(f"{count}:{numbered(problems)}")


def _print_plan(plan: Plan, record: Deployment) -> None:
    screen = output()
    now = f"{plan.state.serving or 'no single revision'} serves" if plan.state else "there is no such service"
    screen.print(f"{record.service} in {record.region}: {now}; nothing was changed")
    screen.print(f"image: {'exists' if plan.image else 'would be built'}")
    for change in plan.changes:
        for mark, value, style in (("-", change.before, "red"), ("+", change.after, "green")):
            if value:
                screen.print(f"{mark} {change.path}: {value}", style=style)
    if not plan.changes:
        screen.print("no field would change")
    table = Table("cost, estimated from list prices", "USD", box=None)
    for what, usd in record.cost.lines() if record.cost else []:
        table.add_row(what, usd)
    screen.print(table, soft_wrap=False)


def _print_status(line: str) -> None:
    messages().print(line)
