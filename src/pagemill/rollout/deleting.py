"""Deletes the service of a smoke test: one that an earlier test left behind, and its own, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import stamina

from pagemill.domain.service.deployment import Deployment
from pagemill.domain.service.plan import ServiceState
from pagemill.errors import DeploymentFailed, PagemillError
from pagemill.service_ports import ServiceHost

_TRIES = 6  # a service that is just being created or changed may refuse


class Deleting:
    """Deletes one service."""

    def __init__(
        self, host: ServiceHost, record: Deployment, announce: Callable[[str], object], *, poll_seconds: float
    ) -> None:
        """Store the configuration; send no requests.

        Args:
            host: Runs the service.
            record: Of the smoke test; it is noted there whether the service is deleted.
            announce: Called with a line about each step.
            poll_seconds: Time between two tries.
        """
        self._poll_seconds = poll_seconds
        self._host = host
        self._record = record
        self._announce = announce

    async def left_behind(self, state: ServiceState | None) -> None:
        """Delete what an earlier smoke test has left behind, so that this one proves every step.

        Args:
            state: The service as it is; None: there is none.

        Raises:
            PagemillError: It cannot be deleted.
        """
        if state is not None:
            self._announce(f"deleting {self._record.service}, which an earlier smoke test left behind")
            await self._host.delete()

    @contextlib.asynccontextmanager
    async def afterwards(self) -> AsyncIterator[None]:
        """Delete the service after the context, whether it succeeds, fails or is interrupted.

        Raises:
            DeploymentFailed: The service cannot be deleted; the message has the command.
        """
        try:
            yield
        except BaseException as error:
            await self._delete_undisturbed()
            if not self._record.left or not isinstance(error, PagemillError):
                raise
            raise DeploymentFailed(f"{error}; and {self._record.left}") from error
        try:
            await self._delete_undisturbed()
        finally:
            if self._record.left:
                raise DeploymentFailed(self._record.left)

    async def _delete_undisturbed(self) -> None:
        """Delete the service; an interruption meanwhile is passed on when that has ended."""
        deletion = asyncio.ensure_future(self._delete())
        try:
            await asyncio.shield(deletion)
        except asyncio.CancelledError:
            await deletion
            raise

    async def _delete(self) -> None:
        self._announce(f"deleting {self._record.service}")
        try:
            wait = self._poll_seconds
            async for attempt in stamina.retry_context(
                on=DeploymentFailed, attempts=_TRIES, timeout=None, wait_initial=wait, wait_max=wait, wait_jitter=0.0
            ):
                with attempt:
                    self._record.deleted = await self._host.delete()
        except PagemillError as error:
            where = f"--region={self._record.region} --project={self._record.project}"
            self._record.left = (
                f"the service {self._record.service} could not be deleted: {error}; type: gcloud run services delete "
                f"{self._record.service} {where}"
            )
            self._announce(self._record.left)
