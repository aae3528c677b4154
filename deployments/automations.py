"""Automations: runs that died are said to have died, and somebody is told of failed and late ones."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any
from uuid import UUID

from prefect.automations import AutomationCore, EventTrigger, Posture
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification

from pagemill.config.pool import PoolSettings
from pagemill.deployments.resource import Resource
from pagemill.errors import UsageError

_RUN = "prefect.flow-run"
_OVER = {f"{_RUN}.{state}" for state in ("Completed", "CompletedWithFailures", "Failed", "Crashed", "Cancelled")}
_OURS = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.pagemill"}
_SILENT = dt.timedelta(seconds=200)  # three heartbeats, and a little: events may be late


async def automations(client: PrefectClient, settings: PoolSettings) -> list[Resource]:
    """All of them; those that tell somebody only where there is a block to tell.

    Raises:
        UsageError: The notification block is not there.
    """
    wanted = [no_heartbeat()]
    if settings.notification_block:
        block = await _block_id(client, settings.notification_block)
        wanted += [failed(block), late(block)]
    return [await _automation(client, automation) for automation in wanted]


def no_heartbeat() -> AutomationCore:
    """A run whose heart has stopped has crashed, whatever it last said."""
    return AutomationCore(
        name="pagemill: a run without heartbeat has crashed",
        description="Its process or machine is gone. Finished pages are kept: run it again.",
        trigger=EventTrigger(
            match={"prefect.resource.id": f"{_RUN}.*"},
            match_related=_OURS,
            after={f"{_RUN}.heartbeat"},
            expect={f"{_RUN}.heartbeat", *_OVER},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=_SILENT,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED, name="Crashed", message=f"no heartbeat for {_SILENT.seconds} seconds"
            )
        ],
    )


def failed(block: UUID) -> AutomationCore:
    """Tell somebody of a run that failed or crashed."""
    return _told("failed or crashed", {f"{_RUN}.Failed", f"{_RUN}.Crashed"}, block)


def late(block: UUID) -> AutomationCore:
    """Tell somebody of a run that no worker has taken in time."""
    return _told("late", {f"{_RUN}.Late"}, block)


def _told(how: str, events: set[str], block: UUID) -> AutomationCore:
    return AutomationCore(
        name=f"pagemill: somebody is told of a run that is {how}",
        trigger=EventTrigger(
            match={"prefect.resource.id": f"{_RUN}.*"},
            match_related=_OURS,
            expect=events,
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            SendNotification(
                block_document_id=block,
                subject="pagemill: {{ flow_run.name }} is {{ flow_run.state.name }}",
                # A server without PREFECT_UI_URL knows no URL.
                body="{{ flow_run.state.message }}\n\n{{ (flow_run | ui_url) or flow_run.id }}",
            )
        ],
    )


async def _block_id(client: PrefectClient, slug: str) -> UUID:
    kind, _, name = slug.partition("/")
    for document in await client.read_block_documents_by_type(block_type_slug=kind):
        if document.name == name:
            return document.id
    raise UsageError(
        f"there is no block {slug} on the Prefect server; make it in the UI under Blocks, or unset "
        "PAGEMILL_POOL_NOTIFICATION_BLOCK"
    )


async def _automation(client: PrefectClient, wanted: AutomationCore) -> Resource:
    what = f"automation '{wanted.name}'"
    found = await client.read_automations_by_name(wanted.name)
    if not found:
        return Resource(what, "is not there", partial(client.create_automation, wanted))
    if len(found) > 1:
        return Resource(what, f"is there {len(found)} times", partial(_replace, client, wanted, [a.id for a in found]))
    differs = "differs" if _said(found[0]) != _said(wanted) else ""
    return Resource(what, differs, partial(client.update_automation, found[0].id, wanted))


async def _replace(client: PrefectClient, wanted: AutomationCore, ids: list[UUID]) -> None:
    for found in ids:
        await client.delete_automation(found)
    await client.create_automation(wanted)


def _said(automation: AutomationCore) -> dict[str, Any]:
    """What it says, as the server gives it back: without the ids that the server adds."""
    message = automation.model_dump(mode="json", include={"name", "description", "enabled", "trigger", "actions"})
    message["trigger"].pop("id", None)
    for names in ("after", "expect", "for_each"):
        message["trigger"][names] = sorted(message["trigger"].get(names) or [])
    return message
