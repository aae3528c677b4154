"""The composition root of the watcher: parameters and settings into one that is ready to run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from prefect import get_client

from pagemill.config.proxies import check_proxies, exempt_own_addresses
from pagemill.config.run import read_settings
from pagemill.config.watch import WatchSettings, read_watch_settings
from pagemill.extras import needs
from pagemill.orchestration.credentials import google_key
from pagemill.orchestration.server.shared import require_server, server_errors_named
from pagemill.orchestration.uploads.parameters import WatchParameters
from pagemill.orchestration.uploads.runs import UploadRuns
from pagemill.uploads.journal import Journal
from pagemill.uploads.watch import BatchSize, Watch, WatchCounts
from pagemill.wiring.parameters import absolute
from pagemill.wiring.stores import google_client, open_destination

_MINUTE = 60.0


async def watch_until_the_end(parameters: WatchParameters, announce: Callable[[str], None]) -> WatchCounts:
    """Watch as long as the parameters say. If cancelled, what is gathered is released.

    Raises:
        UsageError: A setting is wrong, or the subscription or the Prefect server cannot be used.
        StoreUnusable: The destination cannot be used.
    """
    given = {"subscription": parameters.subscription, "destination": absolute(parameters.destination)}
    settings = read_watch_settings(**given)
    end = asyncio.Event()
    async with open_watch(settings, announce) as watch:
        if parameters.minutes:
            asyncio.get_running_loop().call_later(_MINUTE * parameters.minutes, end.set)
        announce(f"watching {settings.subscription_name}; results go to {settings.destination}")
        return await watch.run(end)


@contextlib.asynccontextmanager
async def open_watch(settings: WatchSettings, announce: Callable[[str], None]) -> AsyncIterator[Watch]:
    """Build a watcher; what it started ends with the context.

    Raises:
        UsageError: No Prefect server is configured, it does not answer, or a library is not installed.
        StoreUnusable: The destination cannot be written.
    """
    with needs("watch", "pagemill watch"):
        from pagemill.gcp.api import GoogleApi  # noqa: PLC0415 -- brings the libraries of the extra
        from pagemill.gcp.pubsub import PubSubSubscription  # noqa: PLC0415 -- as above

    check_proxies()
    exempt_own_addresses()
    subscription_name, runs = settings.subscription_name, read_settings()
    await require_server()
    async with contextlib.AsyncExitStack() as stack:
        key = await google_key(runs.gcp_credentials_block)
        store = open_destination(settings.destination, google_client(runs, key, stack))
        await asyncio.to_thread(store.check_writable)
        emulator = settings.emulator_host
        google = await stack.enter_async_context(GoogleApi(settings.project, key, emulated=bool(emulator)))
        stack.enter_context(server_errors_named())
        client = await stack.enter_async_context(get_client())
        yield Watch(
            subscription=PubSubSubscription(google, subscription_name, emulator=emulator),
            journal=Journal(store),
            starter=UploadRuns(
                client, deployment=settings.deployment, destination=settings.destination, announce=announce
            ),
            size=BatchSize(settings.documents, settings.seconds),
            bucket=settings.bucket,
            announce=announce,
        )
