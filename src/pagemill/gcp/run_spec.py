"""The service as a message of Cloud Run's API: a pure function of the settings. The only place with vLLM's flags."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.api.launch_stage_pb2 import LaunchStage
from google.cloud import run_v2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict

from pagemill.config.service import ServiceSettings
from pagemill.domain.service.plan import ServiceState, TrafficShare

MODEL_FOLDER = "/models/lightonocr"  # in the image
PORT = 8000
VERIFIED = "pagemill.dev/verified"  # annotation of the service: its verified revisions, the newest first
RETRY = "pagemill.dev/retry"  # annotation of a revision: how many with the same configuration failed before it

OWNED = ("ingress", "invoker_iam_disabled", "default_uri_disabled", "launch_stage", "scaling", "template")
_AUDIENCES = "custom_audiences"  # those that were set by hand stay, unless a setting names some
_NOT_PLANNED = (
    "scaling.scaling_mode",
    "template.revision",
    f"template.annotations.{RETRY}",
    "template.containers[0].build_info",
)
_GA = ("launch_stage", "GA")  # what Cloud Run says of a service without previews
_OF_THE_PLATFORM = "googleapis.com/"  # in the names of labels and annotations that Google's tools set

# No torch.compile, but CUDA graphs for every batch size up to max_num_seqs: starts in 71 s instead of 106 s, and is as
# fast afterwards (measured one after the other on the same machine).
_COMPILATION: dict[str, Any] = {"mode": 0, "cudagraph_mode": "FULL_DECODE_ONLY"}


def vllm_args(settings: ServiceSettings, model: str) -> tuple[str, ...]:
    """The arguments of `vllm serve`, as a list: no shell reads them.

    Args:
        settings: Memory, number of sequences and lengths.
        model: Model name that requests use.
    """
    sizes = [2**power for power in range(settings.max_num_seqs.bit_length()) if 2**power <= settings.max_num_seqs]
    graphs = sorted({*sizes, settings.max_num_seqs})
    return (
        MODEL_FOLDER,
        *("--served-model-name", model),
        *("--host", "0.0.0.0"),  # noqa: S104 -- inside a container that only Cloud Run can reach
        *("--port", str(PORT)),
        *("--gpu-memory-utilization", f"{settings.gpu_memory_utilization:g}"),
        *("--max-num-seqs", str(settings.max_num_seqs)),
        *("--max-num-batched-tokens", str(settings.max_num_batched_tokens)),
        *("--max-model-len", str(settings.max_model_len)),
        # As the model's authors serve it: one image a request, and no caches, because no image comes twice.
        *("--limit-mm-per-prompt", json.dumps({"image": 1})),
        *("--mm-processor-cache-gb", "0"),
        "--no-enable-prefix-caching",
        # After SIGTERM pages in flight are read on for so long; longer ones get no answer. By default vLLM answers all
        # of them at once, with half a text and `abort`, and the client sends a page again (see gpu-service.md).
        *(("--shutdown-timeout", str(settings.shutdown_seconds)) if settings.shutdown_seconds else ()),
        *("--compilation-config", json.dumps({**_COMPILATION, "cudagraph_capture_sizes": graphs})),
        # Images come inside the request. A server that fetched URLs could be used to reach its own network (SSRF).
        *("--allowed-media-domains", "none.invalid"),
    )


def container_args(settings: ServiceSettings, model: str) -> tuple[str, ...]:
    """The arguments of the container: vLLM's, or without a GPU those of the embedded OCR service.

    Args:
        settings: Memory, number of sequences and lengths.
        model: Model name that requests use.
    """
    return vllm_args(settings, model) if settings.has_gpu else ("--served-model-name", model)


def service_message(settings: ServiceSettings, *, image: str, model: str) -> run_v2.Service:
    """Everything that the flow owns of the service, except its traffic.

    Args:
        settings: The service as it should be.
        image: Reference of the container image.
        model: Model name that requests use.
    """
    ingress = run_v2.IngressTraffic
    labels = {"app": "lightonocr" if settings.has_gpu else "pagemill-smoke", "managed-by": "pagemill"}
    return run_v2.Service(
        labels=labels,
        ingress={
            "all": ingress.INGRESS_TRAFFIC_ALL,
            "internal": ingress.INGRESS_TRAFFIC_INTERNAL_ONLY,
        }[settings.ingress],
        invoker_iam_disabled=False,  # true would make the service public
        default_uri_disabled=False,
        custom_audiences=list(settings.audiences),
        # A readiness probe is a preview, and Cloud Run has to be told that previews are wanted.
        launch_stage=LaunchStage.BETA if settings.readiness_period_seconds else None,
        scaling=run_v2.ServiceScaling(
            min_instance_count=settings.min_instances, max_instance_count=settings.max_instances
        ),
        template=run_v2.RevisionTemplate(
            labels=labels,
            service_account=settings.runtime,
            timeout=Duration(seconds=settings.request_seconds),
            max_instance_request_concurrency=settings.concurrency,
            execution_environment=run_v2.ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2,
            node_selector=run_v2.NodeSelector(accelerator=settings.accelerator) if settings.has_gpu else None,
            # The platform's default costs more.
            gpu_zonal_redundancy_disabled=not settings.zonal_redundancy if settings.has_gpu else None,
            # No minimum: that of a revision is billed as soon as it has a traffic tag, beside that of the service.
            scaling=run_v2.RevisionScaling(max_instance_count=settings.max_instances),
            vpc_access=_vpc_access(settings),
            containers=[_container(settings, image, model)],
        ),
    )


def owned(settings: ServiceSettings) -> tuple[str, ...]:
    """The fields of a service that the flow owns, but for traffic and labels."""
    return (*OWNED, _AUDIENCES) if settings.audiences else OWNED


def _vpc_access(settings: ServiceSettings) -> run_v2.VpcAccess | None:
    """How requests of the container leave it: through a network of the project, or not."""
    if not (settings.vpc_network or settings.vpc_subnet):
        return None
    egress = run_v2.VpcAccess.VpcEgress
    return run_v2.VpcAccess(
        network_interfaces=[
            run_v2.VpcAccess.NetworkInterface(network=settings.vpc_network, subnetwork=settings.vpc_subnet)
        ],
        egress={"all-traffic": egress.ALL_TRAFFIC, "private-ranges-only": egress.PRIVATE_RANGES_ONLY}[
            settings.vpc_egress
        ],
    )


def _container(settings: ServiceSettings, image: str, model: str) -> run_v2.Container:
    gpu = {"nvidia.com/gpu": "1"} if settings.has_gpu else {}
    return run_v2.Container(
        name="vllm" if settings.has_gpu else "smoke",
        image=image,
        args=container_args(settings, model),
        env=[run_v2.EnvVar(name=name, value=value) for name, value in _variables(settings)],
        ports=[run_v2.ContainerPort(name="http1", container_port=PORT)],
        resources=run_v2.ResourceRequirements(
            limits={"cpu": str(settings.cpu), "memory": f"{settings.memory_gib}Gi", **gpu},
            cpu_idle=not settings.has_gpu,  # instance-based billing is the only kind for GPUs
            startup_cpu_boost=True,  # half of the start is importing Python modules
        ),
        startup_probe=_probe(settings, "startup"),
        liveness_probe=_probe(settings, "liveness"),
        readiness_probe=_probe(settings, "readiness") if settings.readiness_period_seconds else None,
    )


def _probe(settings: ServiceSettings, kind: str) -> run_v2.Probe:
    return run_v2.Probe(
        initial_delay_seconds=0,
        period_seconds=getattr(settings, f"{kind}_period_seconds"),
        timeout_seconds=getattr(settings, f"{kind}_timeout_seconds"),
        failure_threshold=getattr(settings, f"{kind}_failures"),
        http_get=run_v2.HTTPGetAction(path="/health", port=PORT),
    )


def _variables(settings: ServiceSettings) -> Iterator[tuple[str, str]]:
    for variable in sorted(settings.environment):
        name, _, value = variable.partition("=")
        yield name, value


def fields(service: run_v2.Service, names: Sequence[str] = OWNED) -> dict[str, str]:
    """Path to value of all fields that the flow owns, to compare the current with the desired state.

    Fields that the platform adds are left out, and so are defaults: unset and zero are the same.

    Args:
        service: As it is, or as it should be.
        names: Of the fields that the flow owns.
    """
    message = MessageToDict(
        run_v2.Service.pb(service), preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    flat = dict(_flattened("", {name: message[name] for name in names if name in message}))
    return {
        path: value
        for path, value in flat.items()
        if value and not path.startswith(_NOT_PLANNED) and _OF_THE_PLATFORM not in path and (path, value) != _GA
    }


def _flattened(path: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, inner in value.items():
                yield from _flattened(f"{path}.{name}".removeprefix("."), inner)
        case list() if any(isinstance(item, Mapping) for item in value):
            for index, item in enumerate(value):
                yield from _flattened(f"{path}[{index}]", item)
        case list():
            yield path, json.dumps(value) if value else ""
        case _:
            yield path, "" if not value or str(value).endswith("_UNSPECIFIED") else str(value)


def state_of(service: run_v2.Service, names: Sequence[str] = OWNED) -> ServiceState:
    """The part of a service's state that the flow needs.

    Args:
        service: As it is.
        names: Of the fields that the flow owns.
    """
    verified = service.annotations.get(VERIFIED, "")
    return ServiceState(
        url=service.uri,
        etag=service.etag,
        fields=fields(service, names),
        traffic=tuple(
            TrafficShare(status.revision or _short(service.latest_ready_revision), status.percent, status.tag)
            for status in service.traffic_statuses
        ),
        latest_created=_short(service.latest_created_revision),
        latest_ready=_short(service.latest_ready_revision),
        verified=tuple(filter(None, verified.split(","))),
        retries=int(service.template.annotations.get(RETRY, "0")),
    )


def _short(name: str) -> str:
    return name.rpartition("/")[2]
