"""The composition root: parameters and settings into a batch that is ready to run."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.chunks import BatchLimits
from pagemill.batch.gate import EndpointGate, Patience
from pagemill.batch.opening import Documents
from pagemill.batch.outcomes import DocumentPublisher, SlicePublisher
from pagemill.batch.pages import PageLimits, PageReader
from pagemill.batch.progress import Progress
from pagemill.batch.run import Batch
from pagemill.batch.shards import PlannedSource, plan_of
from pagemill.batch.slots import RunSlots
from pagemill.batch.stop import RunStop
from pagemill.batch.threads import BlockingCalls
from pagemill.config.proxies import check_proxies, exempt_own_addresses
from pagemill.config.run import GIB, Settings
from pagemill.domain.judging.judge import GUARD_VERSION
from pagemill.domain.pages.model import Mode, Recipe
from pagemill.domain.pages.planning import parse_pages
from pagemill.domain.pages.sharding import ShardPlan
from pagemill.errors import UsageError
from pagemill.local_endpoint.engines import EngineName, model_id
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.ports import SlotPool
from pagemill.wiring.endpoint import chosen_endpoint, open_recognizer
from pagemill.wiring.parameters import OcrBatchParameters
from pagemill.wiring.stores import check_local_paths, google_client, open_destination, open_source
from pagemill.wiring.watching import watched
from pagemill.witness import presence
from pagemill.witness.text_witness import TextWitness

Admission = Callable[[OcrBatchParameters, Settings, Progress], AbstractAsyncContextManager[SlotPool]]
Credentials = Callable[[str], Awaitable[Mapping[str, Any] | None]]

_AHEAD = 2  # pages rendered or being rendered for each page in flight


def new_run_id() -> str:
    """A run id. Ids sort by time, and two runs in the same second have different ones."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def check_before_start(parameters: OcrBatchParameters, settings: Settings) -> None:
    """Refuse what is known to be wrong before anything starts: proxies, the endpoint's URL or engine, local paths.

    Raises:
        StoreUnusable: There is no such source, or the destination cannot be written.
        UsageError: A parameter or a setting is wrong.
    """
    check_proxies()
    chosen_endpoint(parameters, settings)
    check_local_paths(parameters)


@contextlib.asynccontextmanager
async def open_batch(
    parameters: OcrBatchParameters,
    settings: Settings,
    admission: Admission | None = None,
    *,
    credentials: Credentials | None = None,
    shard: tuple[str, int] | None = None,
) -> AsyncIterator[Batch]:
    """Build a batch; everything that it started ends with the context.

    Args:
        parameters: What to read, and where the results go.
        settings: Where services are, and how long to wait for them.
        admission: Opens the slots; None: the run has its own.
        credentials: Loads a service account's key from the block that a setting names; None: there is no Prefect here.
        shard: The id of a run and the number of the shard, from 1, if this run is a shard; else None.

    Raises:
        UsageError: A parameter or a setting is wrong.
    """
    check_proxies()
    exempt_own_addresses()  # the endpoint may be one: of a worker, too, which has no command line
    logging.getLogger("stamina").setLevel(logging.ERROR)  # it logs each retry; page results say more
    endpoint = chosen_endpoint(parameters, settings)
    recipe = _recipe(parameters, settings, endpoint.engine)
    selection = parse_pages(parameters.pages)
    progress, stop = watched().progress, RunStop()
    progress.min_score, progress.suspects_fail = parameters.min_score, settings.suspects_fail
    async with contextlib.AsyncExitStack() as stack:
        key = await _google_key(settings.gcp_credentials_block, credentials)
        google = google_client(settings, key, stack)
        source = open_source(parameters, settings, google)
        checkpoints = Checkpoints(open_destination(parameters.destination, google), recipe)
        plan = await asyncio.to_thread(_plan, checkpoints, *shard) if shard else None
        recognizer = await open_recognizer(endpoint, settings, recipe, stack, connections=parameters.in_flight, key=key)
        patience = Patience(wake_seconds=settings.wake_seconds, silence_seconds=settings.silence_seconds)
        gate = EndpointGate(
            recognizer,
            patience=patience,
            stop=stop,
            announce=progress.announce,
            embedded=endpoint.engine is not None,
        )
        stack.push_async_callback(gate.close)
        rasterizer = await stack.enter_async_context(_rasterizer(parameters, settings))
        witness = await _open_witness(settings, stack)
        progress.witness = witness.name if witness else ""
        slots: SlotPool = RunSlots(parameters.in_flight)
        if admission:
            slots = await stack.enter_async_context(admission(parameters, settings, progress))
        usd_per_second = settings.usd_per_second if endpoint.billed else 0.0
        limits = BatchLimits(pages=(1 + _AHEAD) * parameters.in_flight, open_bytes=settings.open_mib * 2**20)
        threads = BlockingCalls(pages=limits.pages, documents=limits.documents)
        stack.callback(threads.close)
        yield Batch(
            documents=Documents(
                source=PlannedSource(source, plan) if plan else source,
                selection=plan or selection,
                rasterizer=rasterizer,
                checkpoints=checkpoints,
                progress=progress,
                stop=stop,
                threads=threads,
                limits=limits,
                retry=parameters.retries,
            ),
            reader=PageReader(
                rasterizer=rasterizer,
                recognizer=recognizer,
                gate=gate,
                slots=slots,
                checkpoints=checkpoints,
                progress=progress,
                stop=stop,
                threads=threads,
                limits=_page_limits(settings),
                witness=witness,
                retry=parameters.retries,
            ),
            publisher=_publisher(checkpoints, plan, usd_per_second / parameters.in_flight, progress),
            progress=progress,
            stop=stop,
            threads=threads,
            usd_per_second=usd_per_second,
            limits=limits,
        )


async def _google_key(block: str, credentials: Credentials | None) -> Mapping[str, Any] | None:
    if not block:
        return None
    if credentials is None:
        raise UsageError(
            f"PAGEMILL_GCP_CREDENTIALS_BLOCK names the block '{block}' of a Prefect server, and this run uses none; "
            "unset it to use this machine's own credentials, or run with --prefect"
        )
    return await credentials(block)


def _page_limits(settings: Settings) -> PageLimits:
    return PageLimits(
        rendering=2 * settings.render_workers,
        image_bytes=settings.ahead_mib * 2**20,
        context_tokens=settings.context_tokens,
    )


def _publisher(
    checkpoints: Checkpoints, plan: ShardPlan | None, usd_per_page_second: float, progress: Progress
) -> DocumentPublisher:
    publisher = functools.partial(SlicePublisher, plan=plan) if plan else DocumentPublisher
    return publisher(
        checkpoints,
        usd_per_page_second=usd_per_page_second,
        min_score=progress.min_score,
        witness=progress.witness,
    )


async def _open_witness(settings: Settings, stack: contextlib.AsyncExitStack) -> TextWitness | None:
    """The witness; its processes start when it is first asked. None: it is switched off or not installed."""
    if not settings.witness_workers or not presence.name():
        return None
    return await stack.enter_async_context(TextWitness(workers=settings.witness_workers))


def _plan(checkpoints: Checkpoints, run_id: str, shard: int) -> ShardPlan:
    plan, recipe = plan_of(checkpoints.destination, run_id, shard), checkpoints.recipe
    if plan.recipe_id != recipe.id:
        raise UsageError(
            f"the settings here would give other results than those of the run (recipe {recipe.id}, not "
            f"{plan.recipe_id}); set the same PAGEMILL_ variables where the run is started and where shards run"
        )
    return plan


def _recipe(parameters: OcrBatchParameters, settings: Settings, engine: EngineName | None) -> Recipe:
    return Recipe(
        model=model_id(engine, tessdata=settings.tessdata_prefix) if engine else settings.model,
        model_revision="" if engine else settings.model_revision,
        prompt="" if engine else settings.prompt,
        mode=parameters.mode,
        longest_edge_px=settings.longest_edge_px,
        max_dpi=settings.max_dpi,
        max_pieces=settings.max_pieces,
        max_tokens=settings.max_tokens,
        guard_version=GUARD_VERSION,
    )


def _rasterizer(parameters: OcrBatchParameters, settings: Settings) -> PdfiumRasterizer:
    return PdfiumRasterizer(
        workers=settings.render_workers,
        page_seconds=settings.page_seconds,
        memory_bytes=int(settings.render_memory_gib * GIB),
        options=RenderOptions(
            longest_edge_px=settings.longest_edge_px,
            max_dpi=settings.max_dpi,
            max_pieces=settings.max_pieces,
            skip_blank=parameters.mode is not Mode.FORCE,
            prefer_text=parameters.mode is Mode.TEXT,
        ),
    )
