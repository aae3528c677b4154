"""Room for a new revision: it starts beside the one that serves, which may still have an instance."""

from __future__ import annotations

from collections.abc import Callable

from pagemill.domain.service.plan import ServiceState
from pagemill.domain.wording import counted
from pagemill.errors import DeploymentFailed, PagemillError
from pagemill.rollout.waiting import Waiting
from pagemill.service_ports import RegionRoom

_LONGEST_PAUSE_SECONDS = 30.0  # instances are counted once a minute
_TAIL = "10 to 15 minutes after its last request"  # an instance without requests is stopped


class Room:
    """Finds out whether two revisions fit, and waits until one of them has no instance."""

    def __init__(self, region: RegionRoom, *, idle_seconds: float | None, announce: Callable[[str], object]) -> None:
        """Store the configuration; send no requests.

        Args:
            region: Knows quotas and instances.
            idle_seconds: How long to wait until the revision that serves has no instance; None: not at all.
            announce: Called with a line of progress.
        """
        self._region = region
        self._idle_seconds = idle_seconds
        self._announce = announce

    async def problems(self, state: ServiceState, image: str) -> list[str]:
        """Why a new revision cannot start beside the one that serves, with the command that fixes it.

        Args:
            state: The service as it is.
            image: Reference of an image.

        Raises:
            PagemillError: We may not ask.
        """
        if self._idle_seconds is not None:
            if not state.min_instances:
                return []
            least = counted(state.min_instances, "instance")
            return [f"--wait-for-idle would not end: the service always keeps {least}; set its minimum to 0 first"]
        shortages = await self._region.shortages(state, image)
        if not shortages or await self._is_idle(state.serving):
            return []
        what = f"the new revision starts beside {state.serving}, which has an instance until {_TAIL}"
        how = "type: pagemill deploy --wait-for-idle, or request more"
        return [f"{what}, and both do not fit: {'; '.join(shortages)}; {how}"]

    async def wait(self, serving: str) -> None:
        """Wait until the revision that serves has no instance, if that was asked for.

        Raises:
            DeploymentFailed: It still has instances after that time.
            PagemillError: Nobody knows how many it has.
        """
        if self._idle_seconds is None or not serving:
            return
        what = f"waiting until {serving} has no instance, which is {_TAIL}"
        waiting = Waiting(self._idle_seconds, what, self._announce, longest_pause=_LONGEST_PAUSE_SECONDS)
        while running := await self._region.instances(serving):
            if waiting.is_over:
                raise DeploymentFailed(
                    f"{serving} still has {counted(running, 'instance')} after {waiting.seconds:.0f} s, so something "
                    "sends requests; nothing was changed: deploy again when no batch is running"
                )
            await waiting.pause()

    async def _is_idle(self, revision: str) -> bool:
        """Whether a revision is known to have no instance."""
        try:
            return not await self._region.instances(revision)
        except PagemillError:  # the advice is the same if nobody knows
            return False
