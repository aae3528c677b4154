"""The composition root of deployments: settings into a rollout that is ready to run."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable

from pagemill.config.run import GIB, Settings
from pagemill.config.service import ServiceSettings
from pagemill.domain.service.canary import CanaryPage
from pagemill.domain.service.cost import ServiceCost, service_cost, usd_per_second
from pagemill.domain.service.deployment import Deployment
from pagemill.domain.service.plan import Image
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.artifact_registry import PACKAGE
from pagemill.gcp.build_config import BuildConfig
from pagemill.gcp.checks import ProjectChecks
from pagemill.gcp.cloud_run import CloudRun
from pagemill.gcp.invoker_policy import IamInvokerPolicy
from pagemill.gcp.run_spec import vllm_args
from pagemill.ocr.service_endpoint import HttpsServiceEndpoint
from pagemill.orchestration.credentials import google_key
from pagemill.orchestration.deploy.image_build import ROOT, ImageBuild
from pagemill.pdf.canaries import canary_pages
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.ports import ServiceEndpoint
from pagemill.rollout.rollout import Dependencies, Rollout
from pagemill.rollout.verification import AcceptanceCriteria

BUILD_FOLDER = ROOT / "infra" / "gpu_service"


@contextlib.asynccontextmanager
async def open_rollout(
    settings: ServiceSettings,
    common: Settings,
    *,
    announce: Callable[[str], object],
    build_started: Callable[[str, str], Awaitable[object]],
) -> AsyncIterator[Rollout]:
    """Build a rollout; what it opened is closed with the context.

    Args:
        settings: The service as it is to be.
        common: Where credentials are, and how pages are drawn.
        announce: Told what is being done.
        build_started: Told the id and the log's URL of each build.

    Raises:
        UsageError: There are no credentials, or the build is not described.
    """
    key = await google_key(common.gcp_credentials_block)
    emulated = bool(settings.run_emulator_host)
    async with GoogleApi(settings.project, key, emulated=emulated) as google:
        image = ImageBuild(
            google,
            settings,
            key,
            config=BuildConfig(BUILD_FOLDER),
            package=PACKAGE,
            base_image=settings.base_image,
            model_revision=settings.model_revision,
            model_sha256=settings.model_sha256,
        )
        model = image.substitutions["_MODEL"]
        host = CloudRun(google, settings, model=model)
        checks = ProjectChecks(google, settings)
        record = Deployment(
            service=settings.name,
            region=settings.region,
            started_at=dt.datetime.now(dt.UTC),
            model=model,
            substitutions=image.substitutions,
            flags=vllm_args(settings, model),
            cost=cost_of(settings),
        )

        async def build() -> Image:
            made, built = await image.build(announce, build_started)
            record.build_log, record.build_seconds = built.log_url, built.seconds
            return made

        @contextlib.asynccontextmanager
        async def open_endpoint(url: str, audience: str) -> AsyncIterator[ServiceEndpoint]:
            async with HttpsServiceEndpoint(
                url,
                audience=audience,
                model=model,
                key=key,
                connections=settings.canary_in_flight,
                answer_seconds=settings.canary_seconds,
            ) as opened:
                yield opened

        async def pages() -> list[CanaryPage]:
            return await _drawn(common)

        async def source_bucket() -> list[str]:
            await asyncio.to_thread(image.bucket.check_writable)
            return []

        dependencies = Dependencies(
            host=host,
            invoker_policy=IamInvokerPolicy(google, settings),
            open_endpoint=open_endpoint,
            find_image=image.find,
            build_image=build,
            planned_image=image.name,
            pages=pages,
            checks=[checks.apis, checks.permissions, checks.accounts, image.registry.problems, source_bucket],
            invokers=settings.members,
            criteria=acceptance_criteria(settings),
            announce=announce,
        )
        yield Rollout(dependencies, record)


def acceptance_criteria(settings: ServiceSettings) -> AcceptanceCriteria:
    """What a revision must be before it gets requests."""
    return AcceptanceCriteria(
        health_seconds=settings.health_seconds,
        grant_seconds=settings.grant_seconds,
        in_flight=settings.canary_in_flight,
        page_seconds=settings.canary_seconds,
        word_f1=settings.canary_word_f1,
        internal=settings.ingress == "internal",
    )


def cost_of(settings: ServiceSettings) -> ServiceCost:
    """What the service costs, busy and idle."""
    price = usd_per_second(cpu=settings.cpu, memory_gib=settings.memory_gib, zonal_redundancy=settings.zonal_redundancy)
    return service_cost(
        price,
        min_instances=settings.min_instances,
        max_instances=settings.max_instances,
        in_flight=settings.max_num_seqs,
    )


async def _drawn(common: Settings) -> list[CanaryPage]:
    options = RenderOptions(
        longest_edge_px=common.longest_edge_px, max_dpi=common.max_dpi, skip_blank=True, prefer_text=False
    )
    async with PdfiumRasterizer(
        workers=1,
        page_seconds=common.page_seconds,
        memory_bytes=int(common.render_memory_gib * GIB),
        options=options,
    ) as rasterizer:
        return await canary_pages(rasterizer)
