"""What is deployed: a line for `pagemill doctor`, and all of it for `pagemill status`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pagemill.config.run import Settings
from pagemill.config.service import ServiceSettings, read_service_settings
from pagemill.config.smoke import SUFFIX as SMOKE_SUFFIX
from pagemill.domain.service.cost import busy_cost_usd, usd_per_second
from pagemill.domain.service.plan import ServiceState
from pagemill.errors import PagemillError, UsageError
from pagemill.extras import needs
from pagemill.orchestration.credentials import google_key

if TYPE_CHECKING:
    from pagemill.gcp.api import GoogleApi

_LIMITS = "template.containers[0].resources.limits"


async def inspected_service(common: Settings) -> tuple[bool, str]:
    """Whether the GPU service is as a deployment leaves it, and what it is; changes nothing.

    A service that cannot be looked at is no problem: batches need other permissions.

    Args:
        common: Where credentials are.
    """
    try:
        settings = read_service_settings()
        state = await service_state(settings, common)
        smoke = settings.model_copy(update={"name": f"{settings.name}{SMOKE_SUFFIX}"})
        left = await service_state(smoke, common)
    except PagemillError as error:
        return True, f"not known: {error}"
    ok, detail = _judged(state, settings.full_name)
    if left is None:
        return ok, detail
    return False, (
        f"{detail}. And {smoke.full_name}: a smoke test is running, or one that was killed left its service behind; if "
        "none is running, type: pagemill deploy --smoke, which deletes it, or gcloud run services delete "
        f"{smoke.name} --region={smoke.region} --project={smoke.project}"
    )


def _judged(state: ServiceState | None, where: str) -> tuple[bool, str]:
    """Whether a service is as a deployment leaves it, and what it is.

    Args:
        state: The service; None: there is none.
        where: Its name, within a sentence.
    """
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
    unknown: str = ""  # why the instances are not known; empty: they are
    billed_seconds: float | None = None  # of instances, in the last 24 hours; None: not known

    @property
    def billed_usd(self) -> float | None:
        """What that has cost, from list prices and the size of the newest revision; None: not known."""
        limits = {name: self.state.fields.get(f"{_LIMITS}.{name}", "") for name in ("cpu", "memory")}
        if self.billed_seconds is None or not all(limits.values()):
            return None
        price = usd_per_second(
            cpu=int(limits["cpu"]),
            memory_gib=int(limits["memory"].removesuffix("Gi")),
            zonal_redundancy="template.gpu_zonal_redundancy_disabled" not in self.state.fields,
        )
        return busy_cost_usd(self.billed_seconds, usd_per_second=price)


async def service_report(settings: ServiceSettings, common: Settings) -> ServiceReport:
    """Read the service, count the instances of its revisions, and add up what was billed.

    Raises:
        UsageError: There is no service, there are no credentials, or Google Cloud's libraries are not installed.
        PagemillError: We may not read it.
    """
    with needs("deploy", "pagemill status"):
        from pagemill.gcp.cloud_run import CloudRun  # noqa: PLC0415 -- needs the extra `deploy`
        from pagemill.gcp.metrics import ServiceMetrics  # noqa: PLC0415

    async with opened_google(settings, common) as google:
        state = await CloudRun(google, settings, model="").state()
        if state is None:
            raise UsageError(f"there is no service {settings.full_name}; type: pagemill deploy")
        metrics, instances = ServiceMetrics(google, settings), dict[str, int]()
        try:
            for revision in state.revisions:
                instances[revision] = await metrics.instances(revision)
            billed = await metrics.billed_seconds()
        except PagemillError as error:
            return ServiceReport(state, instances, str(error))
        return ServiceReport(state, instances, billed_seconds=billed)


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
