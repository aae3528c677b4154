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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
from pagemill.config.run import GIB, LOOPBACK, Settings
from pagemill.domain.pages.model import Mode, Recipe
from pagemill.domain.pages.planning import parse_pages
from pagemill.domain.pages.quality import GUARD_VERSION
from pagemill.domain.pages.sharding import ShardPlan
from pagemill.domain.wording import shown
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

_AHEAD = 2  # pages rendered or being rendered for each page in flight

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
    """Build a batch; everything that it started ends with the context.

    Args:
        parameters: What to read, and where the results go.
        settings: Where services are, and how long to wait for them.
        admission: Opens the slots; None: the run has its own.
        shard: The id of a run and the number of the shard, from 1, if this run is a shard; else None.

    Raises:
        UsageError: A parameter or a setting is wrong.
    """
    logging.getLogger("stamina").setLevel(logging.ERROR)  # it logs each retry; page results say more
    endpoint = _endpoint(parameters, settings)
    recipe = _recipe(parameters, settings, endpoint.engine)
    selection = parse_pages(parameters.pages)
    progress, stop = _watched.get() or Progress(), RunStop()
    async with contextlib.AsyncExitStack() as stack:
        key = await google_key(settings.gcp_credentials_block)
        google = _google_client(settings, key, stack)
        source = open_source(parameters, settings, google)
        checkpoints = Checkpoints(open_destination(parameters.destination, google), recipe)
        plan = await asyncio.to_thread(_plan, checkpoints, *shard) if shard else None
        recognizer = await _open_recognizer(
            endpoint, settings, recipe, stack, connections=parameters.max_in_flight, key=key
        )
        gate = _gate(recognizer, settings, progress, stop, stack)
        rasterizer = await stack.enter_async_context(_rasterizer(parameters, settings))
        slots: SlotPool = RunSlots(parameters.max_in_flight)
        if admission:
            slots = await stack.enter_async_context(admission(parameters, settings, progress))
        usd_per_second = settings.usd_per_second if endpoint.billed else 0.0
        yield Batch(
            documents=Documents(
                source=PlannedSource(source, plan) if plan else source,
                selection=plan or selection,
                rasterizer=rasterizer,
                checkpoints=checkpoints,
                progress=progress,
                stop=stop,
            ),
            reader=PageReader(
                rasterizer=rasterizer,
                recognizer=recognizer,
                gate=gate,
                slots=slots,
                checkpoints=checkpoints,
                progress=progress,
                stop=stop,
                limits=_page_limits(settings),
            ),
            publisher=_publisher(checkpoints, plan, usd_per_second / parameters.max_in_flight),
            progress=progress,
            stop=stop,
            usd_per_second=usd_per_second,
            limits=BatchLimits(pages=(1 + _AHEAD) * parameters.max_in_flight),
        )


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where pages are sent to: a URL, or the embedded service with its engine."""

    url: str  # empty for the embedded service
    engine: EngineName | None

    @property
    def billed(self) -> bool:
        """Whether time at the endpoint costs money: not on this machine."""
        return urlsplit(self.url).hostname not in {None, *LOOPBACK}


def _endpoint(parameters: OcrBatchParameters, settings: Settings) -> _Endpoint:
    url = endpoint_url(parameters, settings)
    return _Endpoint(url, None if url else choose_engine(settings.local_engine, tessdata=settings.tessdata_prefix))


async def _open_recognizer(
    endpoint: _Endpoint,
    settings: Settings,
    recipe: Recipe,
    stack: contextlib.AsyncExitStack,
    *,
    connections: int,
    key: Mapping[str, Any] | None,
) -> OpenAiRecognizer:
    """The client of the endpoint. The embedded service starts when the client first asks for its URL."""
    embedded = EmbeddedEndpoint(
        engine=endpoint.engine or "auto", start_seconds=settings.wake_seconds, tessdata=settings.tessdata_prefix
    )

    async def locate() -> str:
        return await embedded.locate() if endpoint.engine else endpoint.url

    await stack.enter_async_context(embedded)
    return await stack.enter_async_context(
        OpenAiRecognizer(
            locate,
            recipe=recipe,
            api_key=settings.api_key.get_secret_value(),
            connections=connections,
            answer_seconds=settings.answer_seconds,
            auth=endpoint_auth(endpoint.url, settings, key),
        )
    )


def _gate(
    recognizer: OpenAiRecognizer,
    settings: Settings,
    progress: Progress,
    stop: RunStop,
    stack: contextlib.AsyncExitStack,
) -> EndpointGate:
    patience = Patience(wake_seconds=settings.wake_seconds, silence_seconds=settings.silence_seconds)
    gate = EndpointGate(recognizer, patience=patience, stop=stop, announce=progress.announce)
    stack.push_async_callback(gate.close)
    return gate


def _page_limits(settings: Settings) -> PageLimits:
    return PageLimits(
        rendering=2 * settings.render_workers,
        image_bytes=settings.ahead_mib * 2**20,
        context_tokens=settings.context_tokens,
    )


def _publisher(checkpoints: Checkpoints, plan: ShardPlan | None, usd_per_page_second: float) -> DocumentPublisher:
    if plan:
        return SlicePublisher(checkpoints, usd_per_page_second=usd_per_page_second, plan=plan)
    return DocumentPublisher(checkpoints, usd_per_page_second=usd_per_page_second)


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
        return LocalSource(path, include=include, without=_results_within(path, parameters.destination))
    if not names_objects(path):
        return ListedSource(path, include=include)
    from pagemill.storage.gcs.list import GcsListedSource  # noqa: PLC0415 -- as above

    return GcsListedSource(google(), path, include=include, largest_bytes=largest_bytes)


def _results_within(source: Path, destination: str) -> Path | None:
    """The destination if it is a folder within the source, where no documents are looked for; else None.

    Raises:
        UsageError: It is the source itself. The results of `a.pdf` would need a folder `a.pdf` beside it.
    """
    if "://" in destination:
        return None
    results = _local_path(destination, "DESTINATION")
    if results.resolve() == source.resolve():
        raise UsageError(
            f"the source and the destination are the same, {shown(str(results))}; "
            f"choose another destination, for example {shown(str(source / 'text'))}"
        )
    return results if results.resolve().is_relative_to(source.resolve()) else None


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


def _plan(checkpoints: Checkpoints, run_id: str, shard: int) -> ShardPlan:
    plan, recipe = plan_of(checkpoints.destination, run_id, shard), checkpoints.recipe
    if plan.recipe_id != recipe.id:
        raise UsageError(
            f"the settings here would give other results than those of the run (recipe {recipe.id}, not "
            f"{plan.recipe_id}); set the same PAGEMILL_ variables where the run is started and where shards run"
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
