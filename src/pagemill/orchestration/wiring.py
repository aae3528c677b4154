"""The composition root: parameters and settings into a batch that is ready to run."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pagemill.batch.documents import Batch
from pagemill.batch.gate import EndpointGate, Patience
from pagemill.batch.pages import PageLimits, PageReader
from pagemill.batch.portions import BatchLimits
from pagemill.batch.progress import Progress
from pagemill.batch.shards import plan_of
from pagemill.batch.slots import RunSlots
from pagemill.config.run import GIB, LOOPBACK, Settings
from pagemill.domain.pages.model import Mode, Recipe
from pagemill.domain.pages.planning import parse_pages
from pagemill.domain.pages.quality import GUARD_VERSION
from pagemill.domain.pages.sharding import ShardPlan
from pagemill.errors import UsageError
from pagemill.local_endpoint.engines import EngineName, choose_engine, model_id
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.ocr.embedded import EmbeddedEndpoint
from pagemill.orchestration.credentials import google_key
from pagemill.orchestration.parameters import OcrBatchParameters
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.ports import DocumentSource, ObjectStore, SlotPool
from pagemill.storage.local_source import ListedSource, LocalSource, names_objects
from pagemill.storage.local_store import LocalStore

if TYPE_CHECKING:
    from google.cloud import storage

    from pagemill.ocr.identity.auth import IdTokenAuth

Admission = Callable[[OcrBatchParameters, Settings, Progress], AbstractAsyncContextManager[SlotPool]]

_AHEAD = 2  # pages drawn or being drawn for each page in flight

_watched: ContextVar[Progress | None] = ContextVar("watched", default=None)


@contextlib.contextmanager
def watching(progress: Progress) -> Iterator[Progress]:
    """Make runs that start in this context write their figures into `progress`, so that the caller can show them."""
    token = _watched.set(progress)
    try:
        yield progress
    finally:
        _watched.reset(token)


def new_run_id() -> str:
    """A run id: sorts by time, and two runs of one second do not share one."""
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


@contextlib.asynccontextmanager
async def open_batch(
    parameters: OcrBatchParameters,
    settings: Settings,
    admission: Admission | None = None,
    *,
    shard: tuple[str, int] | None = None,
) -> AsyncIterator[Batch]:
    """Build a batch; what it started ends with the context.

    Args:
        parameters: What to do.
        settings: Where things are.
        admission: Opens the slots; None: the run's own.
        shard: A run's id and the number of its shard that this is; None: a run of its own.

    Raises:
        UsageError: A parameter or a setting is wrong.
    """
    logging.getLogger("stamina").setLevel(logging.ERROR)  # says that it retries, not what; page results say both
    progress = _watched.get() or Progress()
    url = endpoint_url(parameters, settings)
    engine = None if url else choose_engine(settings.local_engine, tessdata=settings.tessdata_prefix)
    recipe = _recipe(parameters, settings, engine)
    selection = parse_pages(parameters.pages)
    async with contextlib.AsyncExitStack() as stack:
        key = await google_key(settings.gcp_credentials_block)
        google = _google_client(settings, key, stack)
        source = open_source(parameters, settings, google)
        destination = open_destination(parameters.destination, google)
        plan = await asyncio.to_thread(_plan, destination, recipe, *shard) if shard else None
        embedded = EmbeddedEndpoint(
            engine=engine or "auto", start_seconds=settings.wake_seconds, tessdata=settings.tessdata_prefix
        )

        async def locate() -> str:
            return await embedded.locate() if engine else url

        await stack.enter_async_context(embedded)
        recognizer = await stack.enter_async_context(
            OpenAiRecognizer(
                locate,
                recipe=recipe,
                api_key=settings.api_key.get_secret_value(),
                connections=parameters.max_in_flight,
                answer_seconds=settings.answer_seconds,
                auth=endpoint_auth(url, settings, key),
            )
        )
        patience = Patience(wake_seconds=settings.wake_seconds, silence_seconds=settings.silence_seconds)
        gate = EndpointGate(recognizer, patience=patience, announce=progress.announce)
        stack.push_async_callback(gate.close)
        rasterizer = await stack.enter_async_context(_rasterizer(parameters, settings))
        slots: SlotPool = RunSlots(parameters.max_in_flight)
        if admission:
            slots = await stack.enter_async_context(admission(parameters, settings, progress))
        reader = PageReader(
            rasterizer=rasterizer,
            recognizer=recognizer,
            gate=gate,
            slots=slots,
            destination=destination,
            recipe=recipe,
            progress=progress,
            limits=PageLimits(
                drawing=2 * settings.render_workers,
                drawn_bytes=settings.ahead_mib * 2**20,
                context_tokens=settings.context_tokens,
            ),
        )
        yield Batch(
            source=source,
            destination=destination,
            rasterizer=rasterizer,
            reader=reader,
            recipe=recipe,
            selection=selection,
            progress=progress,
            usd_per_second=0.0 if urlsplit(url).hostname in {None, *LOOPBACK} else settings.usd_per_second,
            max_in_flight=parameters.max_in_flight,
            limits=BatchLimits(pages=(1 + _AHEAD) * parameters.max_in_flight),
            plan=plan,
        )


def endpoint_url(parameters: OcrBatchParameters, settings: Settings) -> str:
    """The endpoint's URL; empty for the embedded one."""
    chosen = parameters.endpoint or settings.service_url
    return "" if chosen == "local" else chosen


def endpoint_auth(url: str, settings: Settings, key: Mapping[str, Any] | None) -> IdTokenAuth | None:
    """Identity tokens, where the endpoint may want them: over TLS, unless it has an API key."""
    if urlsplit(url).scheme != "https" or settings.api_key.get_secret_value():
        return None
    from pagemill.ocr.identity.auth import IdTokenAuth  # noqa: PLC0415 -- only such endpoints need Google's libraries

    return IdTokenAuth(url, key=key)


def open_source(
    parameters: OcrBatchParameters, settings: Settings, google: Callable[[], storage.Client]
) -> DocumentSource:
    """Where the documents come from: a bucket, a `.txt` list of either kind, a folder or a PDF.

    Raises:
        UsageError: The source is of a kind this version does not read.
    """
    include, largest_bytes = parameters.include, settings.largest_pdf_mib * 2**20
    if parameters.source.startswith("gs://"):
        from pagemill.storage.gcs.client import parse_location  # noqa: PLC0415 -- half a second that local runs need not wait
        from pagemill.storage.gcs.source import GcsSource  # noqa: PLC0415 -- as above

        location = parse_location(parameters.source)
        return GcsSource(google(), location, include=include, largest_bytes=largest_bytes)
    path = _local_path(parameters.source, "SOURCE")
    if path.suffix != ".txt" or path.is_dir():
        return LocalSource(path, include=include)
    if not names_objects(path):
        return ListedSource(path, include=include)
    from pagemill.storage.gcs.list import GcsListedSource  # noqa: PLC0415 -- as above

    return GcsListedSource(google(), path, include=include, largest_bytes=largest_bytes)


def open_destination(destination: str, google: Callable[[], storage.Client]) -> ObjectStore:
    """Where the results go.

    Raises:
        UsageError: The destination is of a kind this version does not write.
    """
    if destination.startswith("gs://"):
        from pagemill.storage.gcs.client import parse_location  # noqa: PLC0415 -- as above
        from pagemill.storage.gcs.store import GcsStore  # noqa: PLC0415 -- as above

        location = parse_location(destination)
        return GcsStore(google(), location)
    return LocalStore(_local_path(destination, "DESTINATION"))


def _plan(destination: ObjectStore, recipe: Recipe, run_id: str, shard: int) -> ShardPlan:
    plan = plan_of(destination, run_id, shard)
    if plan.recipe_id != recipe.id:
        raise UsageError(
            f"the settings here would give other results than those of the run (recipe {recipe.id}, not "
            f"{plan.recipe_id}); set the same PAGEMILL_ variables where the run is started and where shards are"
        )
    return plan


def _google_client(
    settings: Settings, key: Mapping[str, Any] | None, stack: contextlib.AsyncExitStack
) -> Callable[[], storage.Client]:
    """Opens the run's one client, and looks for credentials, when first asked."""

    @functools.cache
    def client() -> storage.Client:
        from pagemill.storage.gcs import client as gcs  # noqa: PLC0415 -- as above

        opened = gcs.open_client(settings.google_cloud_project, key)
        stack.callback(opened.close)
        return opened

    return client


def _local_path(text: str, what: str) -> Path:
    if "://" in text:
        raise UsageError(f"{what} '{text}' is neither a local path nor gs://BUCKET/PREFIX")
    return Path(text).expanduser()


def _recipe(parameters: OcrBatchParameters, settings: Settings, engine: EngineName | None) -> Recipe:
    return Recipe(
        model=model_id(engine, tessdata=settings.tessdata_prefix) if engine else settings.model,
        model_revision="" if engine else settings.model_revision,
        prompt="" if engine else settings.prompt,
        mode=parameters.mode,
        longest_edge_px=settings.longest_edge_px,
        max_dpi=settings.max_dpi,
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
            skip_blank=parameters.mode is not Mode.FORCE,
            prefer_text=parameters.mode is Mode.TEXT,
        ),
    )
