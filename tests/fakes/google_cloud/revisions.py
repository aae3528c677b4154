"""Revisions: how Cloud Run validates and starts them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from google.cloud import run_v2

from tests.fakes.google_cloud.grpc_server import refuse
from tests.fakes.google_cloud.vllm import Server

_LARGEST_MIB = {1: 4096, 2: 8192, 4: 16384, 6: 24576, 8: 32768}
_STATE = run_v2.Condition.State


@dataclass
class Started:
    """A revision that was created."""

    message: run_v2.Revision
    template: bytes  # canonical
    url: str  # of the server; empty: it did not start
    failure: str  # why it did not start; empty: it did


def check(template: run_v2.RevisionTemplate) -> None:
    """Refuse what Cloud Run refuses when the service is updated."""
    if len(template.containers) != 1:
        refuse("INVALID_ARGUMENT", "template.containers: exactly one container with a port is needed")
    container = template.containers[0]
    limits = container.resources.limits
    cpu, memory = int(limits.get("cpu", "1")), limits.get("memory", "512Mi")
    mebibytes = int(memory[:-2]) * (1024 if memory.endswith("Gi") else 1)
    if mebibytes > _LARGEST_MIB.get(cpu, 0):
        refuse("INVALID_ARGUMENT", f"resources.limits.memory: {memory} is more than {cpu} cpu may have")
    if "nvidia.com/gpu" in limits:
        _check_gpu(template, cpu, mebibytes)
    if not 1 <= template.max_instance_request_concurrency <= 1000:
        refuse("INVALID_ARGUMENT", "max_instance_request_concurrency must be between 1 and 1000")
    if not 1 <= template.timeout.total_seconds() <= 3600:
        refuse("INVALID_ARGUMENT", "timeout must be between 1s and 3600s")
    probes = ((container.startup_probe, 240), (container.liveness_probe, 3600), (container.readiness_probe, 300))
    for probe, longest in probes:
        if max(probe.period_seconds, probe.initial_delay_seconds) > longest:
            refuse("INVALID_ARGUMENT", f"probe: period_seconds and initial_delay_seconds must be at most {longest}")
        if probe.timeout_seconds > probe.period_seconds:
            refuse("INVALID_ARGUMENT", "probe: timeout_seconds must not exceed period_seconds")
    probe, longest = container.startup_probe, 1800 if "nvidia.com/gpu" in limits else 600
    if probe.period_seconds * probe.failure_threshold > longest:
        refuse("INVALID_ARGUMENT", f"startup_probe: failure_threshold * period_seconds cannot exceed {longest} seconds")


def _check_gpu(template: run_v2.RevisionTemplate, cpu: int, mebibytes: int) -> None:
    if cpu < 4 or mebibytes < 16 * 1024:
        refuse("INVALID_ARGUMENT", "a GPU needs at least 4 cpu and 16Gi")
    if not template.node_selector.accelerator:
        refuse("INVALID_ARGUMENT", "node_selector.accelerator must be set with nvidia.com/gpu")
    if template.containers[0].resources.cpu_idle:
        refuse("INVALID_ARGUMENT", "cpu_idle must be false with a GPU")


def start(
    name: str,
    template: run_v2.RevisionTemplate,
    server: Server,
    *,
    image_exists: bool,
    no_room: str = "",
    listen: Callable[[], str],
) -> Started:
    """Start a revision, and wait for its startup probe.

    Args:
        name: Full name of the revision.
        template: The revision's template.
        server: How its container behaves.
        image_exists: Whether its image can be pulled.
        no_room: Why the region has no room for an instance; empty: it has.
        listen: Starts the server; returns its URL.
    """
    probe = template.containers[0].startup_probe
    failure = ""
    if not server.gpu_quota:
        failure = "Quota exceeded for total allowable count of GPUs per project per region."
    elif no_room:
        failure = no_room
    elif not image_exists:
        failure = f"Image '{template.containers[0].image}' not found."
    elif not server.starts:
        port = template.containers[0].ports[0].container_port
        failure = (
            "The user-provided container failed to start and listen on the port defined provided by the "
            f"PORT={port} environment variable within the allocated timeout ({probe.period_seconds} s x "
            f"{probe.failure_threshold})."
        )
    message = run_v2.Revision(
        name=name,
        containers=template.containers,
        service_account=template.service_account,
        create_time=dt.datetime.now(dt.UTC),
        log_uri=f"https://console.cloud.google.com/logs/viewer?resource={name.rpartition('/')[2]}",
        conditions=[
            run_v2.Condition(
                type_="Ready",
                state=_STATE.CONDITION_FAILED if failure else _STATE.CONDITION_SUCCEEDED,
                message=failure,
                revision_reason=run_v2.Condition.RevisionReason.HEALTH_CHECK_CONTAINER_ERROR if failure else 0,
            )
        ],
    )
    return Started(message, canonical(template), "" if failure else listen(), failure)


def canonical(template: run_v2.RevisionTemplate) -> bytes:
    """A template without its name, serialized, so that templates can be compared."""
    copy = run_v2.RevisionTemplate(template)
    copy.revision = ""
    found: bytes = run_v2.RevisionTemplate.pb(copy).SerializeToString(deterministic=True)
    return found
