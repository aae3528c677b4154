"""The log of a deployed service. It is read through Cloud Logging: the service itself is not woken."""

from __future__ import annotations

from pagemill.config.run import Settings
from pagemill.config.service import ServiceSettings
from pagemill.errors import UsageError
from pagemill.gcp.cloud_run import CloudRun
from pagemill.gcp.logs import ServiceLog
from pagemill.orchestration.deploy.inspection import opened_google


async def last_lines(settings: ServiceSettings, common: Settings, revision: str, count: int) -> tuple[str, list[str]]:
    """The last lines of a revision's log, the oldest of them first, and the revision that they are of.

    Args:
        settings: Where the service is.
        common: Where credentials are.
        revision: Its name; empty: the newest one, whether it has started or not.
        count: How many lines at most.

    Raises:
        UsageError: There is no service, or there are no credentials.
        PagemillError: We may not read the service or its log.
    """
    async with opened_google(settings, common) as google:
        if not revision:
            state = await CloudRun(google, settings, model="").state()
            if state is None:
                raise UsageError(
                    f"there is no service {settings.full_name}; the log of a deleted one: pagemill deploy --logs "
                    "--revision NAME"
                )
            revision = state.latest_created
        return revision, await ServiceLog(google, settings).last(revision, count)
