"""What is deployed: a line for `pagemill doctor`, and all of it for `pagemill status`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pagemill.config.run import Settings
from pagemill.config.service import ServiceSettings, read_service_settings
from pagemill.domain.service.plan import ServiceState
from pagemill.errors import PagemillError, UsageError
from pagemill.extras import needs
from pagemill.orchestration.credentials import google_key

if TYPE_CHECKING:
    from pagemill.gcp.api import GoogleApi


async def inspected_service(common: Settings) -> tuple[bool, str]:
    """Whether the GPU service is as a deployment leaves it, and what it is; changes nothing.

    A service that cannot be looked at is no problem: batches need other permissions.

    Args:
        common: Where credentials are.
    """
    try:
        settings = read_service_settings()
        state = await service_state(settings, common)
    except PagemillError as error:
        return True, f"not known: {error}"
    where = settings.full_name
    if state is None:
        return True, f"there is no {where}"
    if state.left_behind:
        return False, (
            f"{where}: the revision {state.left_behind} is being verified, or a deployment that died left it behind; "
            "if no deployment is running, type: pagemill deploy"
        )
    if state.serving not in state.verified:
        what = f"the revision {state.serving}, which was never verified" if state.serving else "no single revision"
        return False, f"{where}: {what}, gets the requests; type: pagemill deploy"
    return True, f"{where}: the verified revision {state.serving} gets the requests"


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """A service as it is."""

    state: ServiceState
    instances: Mapping[str, int]  # that run, by revision; those that Monitoring does not tell are left out
    unknown: str  # why the instances are not known; empty: they are


async def service_report(settings: ServiceSettings, common: Settings) -> ServiceReport:
    """Read the service, and count the instances of its revisions.

    Raises:
        UsageError: There is no service, there are no credentials, or Google Cloud's libraries are not installed.
        PagemillError: We may not read it.
    """
    with needs("deploy", "pagemill status"):
        from pagemill.gcp.cloud_run import CloudRun  # noqa: PLC0415 -- needs the extra `deploy`
        from pagemill.gcp.room import RegionRoom  # noqa: PLC0415

    async with opened_google(settings, common) as google:
        state = await CloudRun(google, settings, model="").state()
        if state is None:
            raise UsageError(f"there is no service {settings.full_name}; type: pagemill deploy")
        room, instances = RegionRoom(google, settings, model=""), {}
        try:
            for revision in state.revisions:
                instances[revision] = await room.instances(revision)
        except PagemillError as error:
            return ServiceReport(state, instances, str(error))
        return ServiceReport(state, instances, "")


async def service_state(settings: ServiceSettings, common: Settings) -> ServiceState | None:
    """Read the service; None if there is none.

    Raises:
        PagemillError: There are no credentials, we may not read it, or Google Cloud's libraries are not installed.
    """
    with needs("deploy", "looking at the GPU service"):
        from pagemill.gcp.cloud_run import CloudRun  # noqa: PLC0415 -- needs the extra `deploy`

    async with opened_google(settings, common) as google:
        return await CloudRun(google, settings, model="").state()


@contextlib.asynccontextmanager
async def opened_google(settings: ServiceSettings, common: Settings) -> AsyncIterator[GoogleApi]:
    """Open what opens the clients of a service's project. Google Cloud's libraries have to be installed.

    Raises:
        UsageError: There are no credentials.
    """
    from pagemill.gcp.api import GoogleApi  # noqa: PLC0415 -- needs the extra `deploy`

    key = await google_key(common.gcp_credentials_block)
    async with GoogleApi(settings.project, key, emulated=bool(settings.run_emulator_host)) as google:
        yield google
