"""Automations: a run without a heartbeat is set to Crashed, and failed and late runs send a notification."""

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
_SILENT = dt.timedelta(seconds=200)  # three heartbeats, and 20 s more because events may be late


async def automations(client: PrefectClient, settings: PoolSettings) -> list[Resource]:
    """All automations; those that notify only if a notification block is set.

    Raises:
        UsageError: The notification block is missing.
    """
    wanted = [no_heartbeat()]
    if settings.notification_block:
        block = await _block_id(client, settings.notification_block)
        wanted += [failed(block), late(block)]
    return [await _automation(client, automation) for automation in wanted]


def no_heartbeat() -> AutomationCore:
    """Set a run to Crashed when its heartbeat stops, whatever its last state was."""
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
    """Send a notification about a run that failed or crashed."""
    return _notification("failed or crashed", {f"{_RUN}.Failed", f"{_RUN}.Crashed"}, block)


def late(block: UUID) -> AutomationCore:
    """Send a notification about a run that no worker has started in time."""
    return _notification("late", {f"{_RUN}.Late"}, block)


def _notification(how: str, events: set[str], block: UUID) -> AutomationCore:
    return AutomationCore(
        # `register` finds an automation by its name: after a change, the old one would notify as well.
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
                # A server without PREFECT_UI_URL cannot make a URL.
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
        f"there is no block {slug} on the Prefect server; create it in the UI under Blocks, or unset "
        "PAGEMILL_POOL_NOTIFICATION_BLOCK"
    )


async def _automation(client: PrefectClient, wanted: AutomationCore) -> Resource:
    label = f"automation '{wanted.name}'"
    found = await client.read_automations_by_name(wanted.name)
    if not found:
        return Resource(label, "missing", partial(client.create_automation, wanted))
    if len(found) > 1:
        return Resource(label, f"exists {len(found)} times", partial(_replace, client, wanted, [a.id for a in found]))
    difference = "differs" if _content(found[0]) != _content(wanted) else ""
    return Resource(label, difference, partial(client.update_automation, found[0].id, wanted))


async def _replace(client: PrefectClient, wanted: AutomationCore, ids: list[UUID]) -> None:
    for found in ids:
        await client.delete_automation(found)
    await client.create_automation(wanted)


def _content(automation: AutomationCore) -> dict[str, Any]:
    """The fields that we set, as the server returns them: without the ids that the server adds."""
    content = automation.model_dump(mode="json", include={"name", "description", "enabled", "trigger", "actions"})
    content["trigger"].pop("id", None)
    for names in ("after", "expect", "for_each"):
        content["trigger"][names] = sorted(content["trigger"].get(names) or [])
    return content
