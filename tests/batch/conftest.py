"""A batch over real files, the real client and a fake endpoint; only rendering is simple."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pagemill.batch.checkpoints import Checkpoints
from pagemill.batch.chunks import BatchLimits, Perform
from pagemill.batch.gate import EndpointGate, Patience
from pagemill.batch.opening import Documents
from pagemill.batch.outcomes import DocumentPublisher, SlicePublisher
from pagemill.batch.pages import PageLimits, PageReader
from pagemill.batch.progress import Progress
from pagemill.batch.run import Batch
from pagemill.batch.shards import PlannedSource
from pagemill.batch.slots import RunSlots
from pagemill.batch.stop import RunStop
from pagemill.batch.threads import BlockingCalls
from pagemill.domain.pages.model import Recipe
from pagemill.domain.pages.planning import parse_pages
from pagemill.domain.pages.retrying import parse_retry
from pagemill.domain.pages.sharding import ShardPlan
from pagemill.domain.pages.summary import RunSummary
from pagemill.ocr.client import OpenAiRecognizer
from pagemill.ocr.identity.auth import IdTokenAuth
from pagemill.ports import DocumentSource, ObjectStore, Witness
from pagemill.storage.local_source import LocalSource
from pagemill.storage.local_store import LocalStore
from tests.fakes.ocr_endpoint import MODEL, FakeEndpoint
from tests.fakes.rasterizer import FakeRasterizer

IMPATIENT = Patience(
    wake_seconds=5.0,
    silence_seconds=5.0,
    probe_seconds=0.001,
    longest_probe_seconds=0.01,
    longest_pause_seconds=0.02,
)


@dataclass
class Mill:
    """Runs batches over `source` into `out`."""

    source: Path
    out: Path
    rasterizer: Any = field(default_factory=FakeRasterizer)  # a FakeRasterizer, unless a test brings a real one
    progress: Progress = field(default_factory=Progress)
    rendering: int = PageLimits().rendering  # pages that are rendered at once
    store: ObjectStore | None = None
    documents: DocumentSource | None = None  # instead of the local folder `source`
    url: str = ""
    auth: IdTokenAuth | None = None
    answer_seconds: float = 2.0
    probe_seconds: float = 60.0
    patience: Patience = IMPATIENT
    witness: Witness | None = None
    context_tokens: int = PageLimits().context_tokens
    embedded: bool = False

    def add(self, name: str, content: str) -> None:
        """Put a document into the source; see `FakeRasterizer` for what it may say."""
        path = self.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    async def run(
        self,
        endpoint: FakeEndpoint | None = None,
        *,
        pages: str = "",
        recipe: Recipe | None = None,
        perform: Perform | None = None,
        limits: BatchLimits | None = None,
        image_bytes: int = 2**20,
        retry: str = "",
    ) -> RunSummary:
        """Run one batch from beginning to end."""
        url = endpoint.url if endpoint else self.url
        async with self.batch(
            url, pages=pages, recipe=recipe, limits=limits, image_bytes=image_bytes, retry=retry
        ) as batch:
            return await batch.run("test-run", perform)

    @asynccontextmanager
    async def batch(
        self,
        url: str,
        *,
        pages: str = "",
        recipe: Recipe | None = None,
        limits: BatchLimits | None = None,
        image_bytes: int = 2**20,
        plan: ShardPlan | None = None,
        retry: str = "",
    ) -> AsyncIterator[Batch]:
        """Open a batch."""

        async def locate() -> str:
            return url

        recipe = recipe or Recipe(MODEL)
        self.progress = Progress()
        stop = RunStop()
        checkpoints = Checkpoints(self.store or LocalStore(self.out), recipe)
        source = self.documents or LocalSource(self.source)
        price = 1.0 / 8
        limits = limits or BatchLimits()
        publisher = (
            SlicePublisher(checkpoints, usd_per_page_second=price, plan=plan)
            if plan
            else DocumentPublisher(checkpoints, usd_per_page_second=price)
        )
        with closing(BlockingCalls(pages=limits.pages, documents=limits.documents)) as threads:
            async with OpenAiRecognizer(
                locate,
                recipe=recipe,
                answer_seconds=self.answer_seconds,
                probe_seconds=self.probe_seconds,
                auth=self.auth,
            ) as client:
                gate = EndpointGate(
                    client,
                    patience=self.patience,
                    stop=stop,
                    announce=self.progress.announce,
                    embedded=self.embedded,
                )
                reader = PageReader(
                    rasterizer=self.rasterizer,
                    recognizer=client,
                    gate=gate,
                    slots=RunSlots(8),
                    checkpoints=checkpoints,
                    progress=self.progress,
                    stop=stop,
                    threads=threads,
                    limits=PageLimits(
                        image_bytes=image_bytes, rendering=self.rendering, context_tokens=self.context_tokens
                    ),
                    witness=self.witness,
                    retry=parse_retry(retry),
                )
                try:
                    yield Batch(
                        documents=Documents(
                            source=PlannedSource(source, plan) if plan else source,
                            selection=plan or parse_pages(pages),
                            rasterizer=self.rasterizer,
                            checkpoints=checkpoints,
                            progress=self.progress,
                            stop=stop,
                            threads=threads,
                            limits=limits,
                            retry=parse_retry(retry),
                        ),
                        reader=reader,
                        publisher=publisher,
                        progress=self.progress,
                        stop=stop,
                        threads=threads,
                        usd_per_second=1.0,
                        limits=limits,
                    )
                finally:
                    await gate.close()


class NoThreads(ThreadPoolExecutor):
    """Takes the place of asyncio's own threads, which have no work in a batch; notes calls that were meant for them."""

    def __init__(self) -> None:
        super().__init__(1)
        self.calls: list[str] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Note a call, and execute it."""
        self.calls.append(str(function))
        return super().submit(function, *args, **kwargs)


@pytest.fixture
async def no_threads() -> NoThreads:
    """Instead of those that asyncio's event loop has for all calls that block."""
    replaced = NoThreads()
    asyncio.get_running_loop().set_default_executor(replaced)
    return replaced


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    """A mill with an empty source."""
    (tmp_path / "in").mkdir()
    return Mill(tmp_path / "in", tmp_path / "out")
