"""The flow that watches uploads and starts runs of the main flow."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed

from pagemill.orchestration.termination import terminated_by_sigterm
from pagemill.orchestration.uploads.parameters import WatchParameters
from pagemill.orchestration.uploads.wiring import watch_until_the_end


@flow(name="watch-uploads", flow_run_name="watch {parameters.subscription}", persist_result=False)
async def watch_uploads(parameters: WatchParameters) -> State[None]:
    """Gather uploads to a bucket, and start one run of `ocr-batch` for many of them."""
    async with terminated_by_sigterm():
        counts = await watch_until_the_end(parameters, get_run_logger().info)
    return Completed(message=str(counts))
