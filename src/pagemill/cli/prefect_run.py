"""`pagemill run` through Prefect. Nothing here imports Prefect before the batch has begun to read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pagemill.batch.head_start import HeadStart
from pagemill.cli.console import messages
from pagemill.cli.display import live_display
from pagemill.config.prefect_api import ConfiguredApi
from pagemill.config.run import read_settings
from pagemill.domain.pages.summary import RunSummary
from pagemill.orchestration.server.listening import check_listens
from pagemill.orchestration.server.process import PrivateServer, PrivateServerFailed
from pagemill.wiring.batch import check_before_start, new_run_id, open_batch
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.watching import RunWatch, watching

if TYPE_CHECKING:
    from pagemill.cli.flow_run import FlowRun

_STARTING = "Prefect is starting"


class PrefectRun:
    """One run of the flow `ocr-batch` in this process, on the configured server or on one of its own."""

    def __init__(self, parameters: OcrBatchParameters, watch: RunWatch, *, api: ConfiguredApi | None) -> None:
        """Configure; nothing is started yet.

        Args:
            parameters: What to read, and where the results go.
            watch: Follows the run.
            api: The configured Prefect server; None: the run starts one, and reads meanwhile.
        """
        self._parameters = parameters
        self._watch = watch
        self._api = api
        self._flow: FlowRun | None = None
        self._starting: asyncio.Task[str] | None = None

    def stop(self, task: asyncio.Task[Any]) -> None:
        """End the run in order. A flow that has begun gets the state Cancelled in Prefect."""
        if self._flow:
            self._flow.stop(task)
        else:
            task.cancel()

    async def to_its_end(self) -> RunSummary:
        """Run the flow.

        Raises:
            CancelledError: The run was interrupted.
            UsageError: The configured Prefect server does not answer, or Prefect does not accept its settings.
            PagemillError: The run ended before it could read pages.
        """
        with watching(self._watch):
            async with live_display(self._watch.progress, messages()):
                return await (self._on_the_server(self._api) if self._api else self._beside_its_start())

    async def _on_the_server(self, api: ConfiguredApi) -> RunSummary:
        """Import Prefect once it is known that nothing else is wrong."""
        check_listens(api)
        check_before_start(self._parameters, read_settings())
        self._watch.progress.announce("starting Prefect")
        await _imported()
        return await self._of_flow()

    async def _beside_its_start(self) -> RunSummary:
        """Read while Prefect and its server start; the flow run takes over what has begun."""
        self._watch.progress.beside = _STARTING
        async with (
            open_batch(self._parameters, read_settings(), credentials=self._key) as batch,
            HeadStart(batch, new_run_id()) as head_start,
        ):
            self._watch.head_start = head_start
            try:
                stopped = await head_start.until(self._started())
            except PrivateServerFailed as error:
                messages().print(f"pagemill: {error}; this run goes on without Prefect", style="yellow")
                self._watch.progress.beside = ""
                return await head_start.alone()
            if stopped:
                await self._stop_starting()
                return stopped
            self._watch.progress.beside = ""
            return await self._of_flow(await self._started())

    async def _stop_starting(self) -> None:
        if self._starting:
            self._starting.cancel()
            await asyncio.wait([self._starting])

    async def _of_flow(self, url: str = "") -> RunSummary:
        from pagemill.cli.flow_run import FlowRun

        self._flow = FlowRun(self._parameters, self._watch)
        return await self._flow.to_its_end(url)

    def _started(self) -> asyncio.Task[str]:
        """The start of Prefect and of a server, which begins when it is first asked for."""
        if self._starting is None:
            self._starting = asyncio.create_task(_url_of_a_started_server())
        return self._starting

    async def _key(self, block: str) -> Mapping[str, Any] | None:
        """Load credentials from a block of Prefect, whose server has to be there first."""
        url = await self._started()
        from pagemill.orchestration.credentials import google_key
        from pagemill.orchestration.server.private import server_at

        with server_at(url):
            return await google_key(block)


async def _url_of_a_started_server() -> str:
    server = PrivateServer()
    try:
        url, _ = await asyncio.gather(server.url(), _imported())
    except BaseException:
        server.kill()
        raise
    return url


async def _imported() -> None:
    """Import Prefect and the flow, which takes seconds, in a thread that nobody waits for when the run ends before.

    Raises:
        UsageError: Prefect does not accept its settings.
    """
    done: Future[None] = Future()

    def work() -> None:
        try:
            _import_prefect()
        except BaseException as error:  # noqa: BLE001 -- it is raised again where it is waited for
            done.set_exception(error)
        else:
            done.set_result(None)

    threading.Thread(target=work, name="import of Prefect", daemon=True).start()
    await asyncio.wrap_future(done)


def _import_prefect() -> None:
    from pagemill.orchestration.prefect_settings import load_prefect

    load_prefect()
    import pagemill.cli.flow_run  # noqa: F401
