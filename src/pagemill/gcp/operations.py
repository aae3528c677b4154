"""Long-running operations of Google's APIs."""

from __future__ import annotations

import asyncio

from google.api_core import exceptions as api
from google.api_core.operation_async import AsyncOperation

from pagemill.errors import DeploymentFailed


async def ended(operation: AsyncOperation, seconds: float, *, poll: float, describe: str) -> None:
    """Wait for the end of an operation.

    Args:
        operation: What was started.
        seconds: How long it may take.
        poll: Seconds between two polls.
        describe: The command that shows its progress.

    Raises:
        DeploymentFailed: It did not end in time.
        GoogleAPIError: It failed.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await _is_done(operation):  # noqa: ASYNC110 -- polls an API
                await asyncio.sleep(poll)
    except TimeoutError as error:
        raise DeploymentFailed(
            f"the operation {operation.operation.name} did not end within {seconds:.0f} s; "
            f"check its progress: {describe}"
        ) from error
    await operation.result()


async def _is_done(operation: AsyncOperation) -> bool:
    try:
        return bool(await operation.done())
    except api.ServiceUnavailable:  # only this poll failed; the next one may succeed
        return False
