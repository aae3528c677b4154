"""Whether a run is a flow run of Prefect, decided without importing Prefect."""

from __future__ import annotations

from pagemill.cli.console import messages
from pagemill.config.prefect_api import NO_SERVER, configured_api
from pagemill.errors import UsageError


def goes_through_prefect(*, asked: bool | None, shards: int) -> bool:
    """Whether the run goes through Prefect: if that is asked for, or if a server is configured.

    Args:
        asked: By `--prefect` or `--no-prefect`; None: neither.
        shards: How many runs share the work.

    Raises:
        UsageError: Shards are asked for without the server whose workers read them.
    """
    configured = configured_api() is not None
    if shards > 1:
        if asked is False:
            raise UsageError("shards are read by workers of a Prefect server; leave out --no-prefect or --shards")
        if not configured:
            raise UsageError(f"shards are read by workers of a Prefect server, and {NO_SERVER}")
    if configured and asked is False:
        messages().print(
            "pagemill: without Prefect, this run has slots of its own: the limit that the runs of the configured "
            "server share does not count its pages, and an endpoint that is published there is not used",
            style="yellow",
        )
    return configured if asked is None else asked
