"""The composition root of deployments: settings into a rollout that is ready to run."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from pagemill.config.run import GIB, Settings
from pagemill.config.service import ServiceSettings
from pagemill.domain.service.canary import CanaryPage
from pagemill.domain.service.cost import ServiceCost, service_cost, usd_per_second
from pagemill.domain.service.deployment import Deployment
from pagemill.domain.service.load import StepCriteria
from pagemill.domain.service.plan import Image
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.artifact_registry import PACKAGE
from pagemill.gcp.build_config import BuildConfig
from pagemill.gcp.checks import DELETE, PERMISSIONS, ProjectChecks
from pagemill.gcp.cloud_run import CloudRun
from pagemill.gcp.invoker_policy import IamInvokerPolicy
from pagemill.gcp.metrics import ServiceMetrics
from pagemill.gcp.room import RegionRoom
from pagemill.gcp.run_spec import container_args
from pagemill.ocr.service_endpoint import HttpsServiceEndpoint
from pagemill.orchestration.credentials import google_key
from pagemill.orchestration.deploy.image_build import ROOT, SMOKE, BuildStarted, ImageBuild, smoke_image
from pagemill.pdf.canaries import canary_pages
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer
from pagemill.rollout.dependencies import Dependencies, OpenEndpoint
from pagemill.rollout.preflight import Check
from pagemill.rollout.rollout import Rollout
from pagemill.rollout.room import Room
from pagemill.rollout.shifting import Shifting
from pagemill.rollout.verification import AcceptanceCriteria

BUILD_FOLDER = ROOT / "infra" / "gpu_service"


@contextlib.asynccontextmanager
async def open_rollout(
    settings: ServiceSettings,
    common: Settings,
    *,
    announce: Callable[[str], object],
    build_started: BuildStarted,
    wait_for_idle: bool = False,
    steps: Sequence[int] = (),
) -> AsyncIterator[Rollout]:
    """Build a rollout; close its clients when the context ends.

    Args:
        settings: The service as it should be.
        common: Where credentials are, and how pages are rendered.
        announce: Called with a line about each step.
        build_started: Called with the id and the log's URL of each build.
        wait_for_idle: Whether the revision that serves is to have no instance before another one starts.
        steps: Percents of gradual traffic; none: all requests at once.

    Raises:
        UsageError: There are no credentials, or cloudbuild.yaml cannot be used.
    """
    key = await google_key(common.gcp_credentials_block)
    async with GoogleApi(settings.project, key, emulated=bool(settings.run_emulator_host)) as google:
        image = _image_build(google, settings, key)
        record = _new_record(settings, image)
        host = CloudRun(google, settings, model=record.model)
        dependencies = Dependencies(
            host=host,
            invoker_policy=IamInvokerPolicy(google, settings),
            open_endpoint=_endpoint_opener(settings, key, model=record.model),
            find_image=image.find,
            build_image=_image_builder(image, record, announce, build_started),
            planned_image=image.name,
            pages=_page_renderer(common),
            checks=_checks(google, settings, image),
            room=Room(
                RegionRoom(google, settings, model=record.model),
                idle_seconds=settings.idle_seconds if wait_for_idle else None,
                announce=announce,
            ),
            shifting=Shifting(
                host,
                ServiceMetrics(google, settings),
                steps=steps,
                criteria=_step_criteria(settings),
                announce=announce,
            ),
            invokers=settings.members,
            criteria=_acceptance_criteria(settings),
            poll_seconds=settings.poll_seconds,
            announce=announce,
        )
        yield Rollout(dependencies, record)


def _image_build(google: GoogleApi, settings: ServiceSettings, key: Mapping[str, Any] | None) -> ImageBuild:
    if not settings.has_gpu:
        return smoke_image(google, settings, key)
    return ImageBuild(
        google,
        settings,
        key,
        config=BuildConfig(BUILD_FOLDER),
        package=PACKAGE,
        base_image=settings.base_image,
        model_revision=settings.model_revision,
        model_sha256=settings.model_sha256,
    )


def _new_record(settings: ServiceSettings, image: ImageBuild) -> Deployment:
    """The record of a deployment that has not begun: what is known from the settings alone."""
    model = image.substitutions.get("_MODEL", SMOKE)
    return Deployment(
        service=settings.name,
        project=settings.project,
        region=settings.region,
        started_at=dt.datetime.now(dt.UTC),
        model=model,
        substitutions=image.substitutions,
        flags=container_args(settings, model),
        cost=_cost(settings) if settings.has_gpu else None,
        smoke=not settings.has_gpu,
    )


def _endpoint_opener(settings: ServiceSettings, key: Mapping[str, Any] | None, *, model: str) -> OpenEndpoint:
    def open_endpoint(url: str, audience: str) -> HttpsServiceEndpoint:
        return HttpsServiceEndpoint(
            url,
            audience=audience,
            model=model,
            key=key,
            connections=settings.canary_in_flight,
            answer_seconds=settings.canary_seconds,
        )

    return open_endpoint


def _image_builder(
    image: ImageBuild, record: Deployment, announce: Callable[[str], object], build_started: BuildStarted
) -> Callable[[], Awaitable[Image]]:
    async def build() -> Image:
        made, built = await image.build(announce, build_started)
        record.build_log, record.build_seconds = built.log_url, built.seconds
        return made

    return build


def _page_renderer(common: Settings) -> Callable[[], Awaitable[Sequence[CanaryPage]]]:
    async def render() -> list[CanaryPage]:
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

    return render


def _checks(google: GoogleApi, settings: ServiceSettings, image: ImageBuild) -> Sequence[Check]:
    project = ProjectChecks(google, settings, permissions=PERMISSIONS if settings.has_gpu else (*PERMISSIONS, DELETE))

    async def source_bucket() -> list[str]:
        await asyncio.to_thread(image.bucket.check_writable)
        return []

    return [project.apis, project.permissions, project.accounts, image.registry.problems, source_bucket]


def _acceptance_criteria(settings: ServiceSettings) -> AcceptanceCriteria:
    return AcceptanceCriteria(
        health_seconds=settings.health_seconds,
        grant_seconds=settings.grant_seconds,
        in_flight=settings.canary_in_flight,
        page_seconds=settings.canary_seconds,
        word_f1=settings.canary_word_f1,
        internal=settings.ingress == "internal",
    )


def _step_criteria(settings: ServiceSettings) -> StepCriteria:
    return StepCriteria(
        seconds=settings.step_seconds,
        requests=settings.step_requests,
        error_percent=settings.step_error_percent,
        slowdown=settings.step_slowdown,
    )


def _cost(settings: ServiceSettings) -> ServiceCost:
    price = usd_per_second(cpu=settings.cpu, memory_gib=settings.memory_gib, zonal_redundancy=settings.zonal_redundancy)
    return service_cost(
        price,
        min_instances=settings.min_instances,
        max_instances=settings.max_instances,
        in_flight=settings.max_num_seqs,
    )
