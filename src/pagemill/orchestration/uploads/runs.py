"""The flow runs that read uploads. Prefect starts them on its workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound

from pagemill.errors import UsageError

_MAY_PASS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


@dataclass(frozen=True, slots=True)
class ServerPatience:
    """With a Prefect server that does not answer, in seconds. The uploads are held meanwhile."""

    pause: float = 5.0
    unanswered: float = 1800.0


class UploadRuns:
    """Starts a deployment of the flow `ocr-batch` once for each list."""

    def __init__(
        self,
        client: PrefectClient,
        *,
        deployment: str,
        destination: str,
        announce: Callable[[str], None] = lambda _: None,
        patience: ServerPatience | None = None,
    ) -> None:
        """Configure; nothing is started yet.

        Args:
            client: Of the Prefect server.
            deployment: FLOW/DEPLOYMENT. Its own parameters stay as they are, except source and destination.
            destination: Where the runs write.
            announce: Called with what is waited for.
            patience: How long to wait for the server.
        """
        self._client = client
        self._deployment = deployment
        self._destination = destination
        self._announce = announce
        self._patience = patience or ServerPatience()

    async def start(self, source: str, key: str) -> str:
        """Start a run over a list, unless one was started with this key before; return the run's name.

        Raises:
            UsageError: There is no such deployment, it does not take these parameters, or the Prefect server has not
                answered for half an hour.
        """
        since = time.monotonic()
        while True:
            try:
                return (await self._created(source, key)).name
            except ObjectNotFound as error:
                raise UsageError(
                    f"the Prefect server has no deployment '{self._deployment}', which reads uploads; create it: "
                    "prefect --no-prompt deploy --all"
                ) from error
            except httpx.HTTPError as error:
                if _is_refusal(error):
                    raise UsageError(f"the deployment '{self._deployment}' does not start: {error}") from error
                if time.monotonic() - since > self._patience.unanswered:
                    raise UsageError(
                        f"the Prefect server does not answer: {error}; check that it runs, then watch again: the "
                        "uploads are delivered again"
                    ) from error
                self._announce(f"waiting for the Prefect server: {error}")
            await asyncio.sleep(self._patience.pause)

    async def _created(self, source: str, key: str) -> FlowRun:
        """Create the run. The server keeps the key: with the same key it answers with the run that there is."""
        deployment = await self._client.read_deployment_by_name(self._deployment)
        given = dict((deployment.parameters or {}).get("parameters") or {})
        given |= {"source": source, "destination": self._destination}
        return await self._client.create_flow_run_from_deployment(
            deployment.id, parameters={"parameters": given}, idempotency_key=key
        )


def _is_refusal(error: httpx.HTTPError) -> bool:
    """Whether the server has understood the request and will never do it."""
    status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 0
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _MAY_PASS
