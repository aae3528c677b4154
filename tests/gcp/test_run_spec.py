from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.api.launch_stage_pb2 import LaunchStage
from google.cloud import run_v2
from google.protobuf.json_format import MessageToDict

from pagemill.config.service import ServiceSettings, read_service_settings
from pagemill.domain.service.plan import changes
from pagemill.gcp.run_spec import fields, service_message, state_of, vllm_args

_SNAPSHOT = Path(__file__).parent / "snapshots" / "service.json"
_IMAGE = "europe-west4-docker.pkg.dev/my-project/pagemill/lightonocr@sha256:" + "0" * 64
_MODEL = "lightonai/LightOnOCR-2-1B"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> ServiceSettings:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    return read_service_settings()


@pytest.fixture
def service(settings: ServiceSettings) -> run_v2.Service:
    return service_message(settings, image=_IMAGE, model=_MODEL)


def _flag(service: run_v2.Service, name: str) -> str:
    args = list(service.template.containers[0].args)
    return str(args[args.index(name) + 1])


def test_the_service_is_field_by_field_the_reviewed_one(service: run_v2.Service) -> None:
    assert MessageToDict(run_v2.Service.pb(service)) == json.loads(_SNAPSHOT.read_text())


def test_an_instance_has_eight_vcpu_32_gib_and_one_l4(service: run_v2.Service) -> None:
    template = service.template

    assert dict(template.containers[0].resources.limits) == {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}
    assert template.node_selector.accelerator == "nvidia-l4"


def test_zonal_redundancy_of_gpus_is_disabled(service: run_v2.Service) -> None:
    assert service.template.gpu_zonal_redundancy_disabled is True


def test_it_scales_to_zero_and_to_three_at_most(service: run_v2.Service) -> None:
    for scaling in (service.scaling, service.template.scaling):
        assert (scaling.min_instance_count, scaling.max_instance_count) == (0, 3)


def test_billing_is_by_instance_and_the_start_is_boosted(service: run_v2.Service) -> None:
    resources = service.template.containers[0].resources

    assert resources.cpu_idle is False
    assert resources.startup_cpu_boost is True


def test_it_runs_in_the_second_generation_environment(service: run_v2.Service) -> None:
    generation = run_v2.ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2

    assert service.template.execution_environment == generation


def test_concurrency_is_sixteen_so_that_eight_are_less_than_sixty_percent(service: run_v2.Service) -> None:
    assert service.template.max_instance_request_concurrency == 16


def test_a_request_may_take_ten_minutes(service: run_v2.Service) -> None:
    assert service.template.timeout.total_seconds() == 600


def test_the_startup_probe_waits_ten_minutes_for_health(service: run_v2.Service) -> None:
    probe = service.template.containers[0].startup_probe

    assert (probe.http_get.path, probe.http_get.port) == ("/health", 8000)
    assert probe.period_seconds * probe.failure_threshold == 600
    assert probe.initial_delay_seconds == 0
    assert probe.timeout_seconds <= probe.period_seconds <= 240


def test_the_liveness_probe_is_slow(service: run_v2.Service) -> None:
    probe = service.template.containers[0].liveness_probe

    assert probe.http_get.path == "/health"
    assert probe.period_seconds * probe.failure_threshold >= 120


def test_it_runs_as_its_own_account_and_iam_decides_who_may_call(service: run_v2.Service) -> None:
    assert service.template.service_account == "pagemill-run@my-project.iam.gserviceaccount.com"
    assert service.invoker_iam_disabled is False


def test_the_image_is_pinned_by_digest(service: run_v2.Service) -> None:
    assert service.template.containers[0].image == _IMAGE


def test_vllm_takes_four_fifths_of_the_memory_and_reads_eight_pages_at_once(service: run_v2.Service) -> None:
    assert _flag(service, "--gpu-memory-utilization") == "0.8"
    assert _flag(service, "--max-num-seqs") == "8"
    assert _flag(service, "--max-num-batched-tokens") == "8192"
    assert _flag(service, "--max-model-len") == "8192"
    assert _flag(service, "--served-model-name") == _MODEL
    assert _flag(service, "--port") == str(service.template.containers[0].ports[0].container_port)


def test_one_image_a_request_and_nothing_cached(service: run_v2.Service) -> None:
    assert json.loads(_flag(service, "--limit-mm-per-prompt")) == {"image": 1}
    assert _flag(service, "--mm-processor-cache-gb") == "0"
    assert "--no-enable-prefix-caching" in service.template.containers[0].args


def test_requests_cannot_run_model_code_or_read_files_or_urls(service: run_v2.Service) -> None:
    assert _flag(service, "--allowed-media-domains").endswith(".invalid")
    assert not {"--trust-remote-code", "--allowed-local-media-path"} & set(service.template.containers[0].args)


@pytest.mark.parametrize(("sequences", "graphs"), [(1, [1]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])])
def test_cuda_graphs_are_made_for_as_many_sequences_as_are_read_at_once(
    sequences: int, graphs: list[int], settings: ServiceSettings
) -> None:
    args = vllm_args(settings.model_copy(update={"max_num_seqs": sequences}), _MODEL)
    config = json.loads(args[args.index("--compilation-config") + 1])

    assert config["cudagraph_capture_sizes"] == graphs
    assert config["mode"] == 0


def test_fields_that_the_platform_adds_are_no_change(service: run_v2.Service) -> None:
    wanted = fields(service)
    service.name, service.uri, service.etag, service.generation = "n", "https://x", "1", 7
    service.scaling.scaling_mode = run_v2.ServiceScaling.ScalingMode.AUTOMATIC
    service.template.revision = "lightonocr-00007-abc"
    service.template.annotations["run.googleapis.com/client-name"] = "gcloud"
    service.labels["goog-managed"] = "x"

    assert changes(fields(service), wanted) == []


def test_variables_of_the_settings_are_those_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    monkeypatch.setenv("PAGEMILL_SERVICE_ENVIRONMENT", '["VLLM_LOGGING_LEVEL=DEBUG", "A=b=c"]')
    made = service_message(read_service_settings(), image=_IMAGE, model=_MODEL)

    assert [(each.name, each.value) for each in made.template.containers[0].env] == [
        ("A", "b=c"),
        ("VLLM_LOGGING_LEVEL", "DEBUG"),
    ]


def test_fields_that_somebody_else_set_are_a_change(service: run_v2.Service) -> None:
    wanted = fields(service)
    service.template.containers[0].env.append(run_v2.EnvVar(name="VLLM_SERVER_DEV_MODE", value="1"))
    service.template.vpc_access.connector = "c"
    service.invoker_iam_disabled = True
    found = {change.path for change in changes(fields(service), wanted)}

    assert {"invoker_iam_disabled", "template.vpc_access.connector"} < found
    assert any(path.startswith("template.containers[0].env") for path in found)


def test_the_state_names_revisions_by_their_short_names(service: run_v2.Service) -> None:
    service.latest_ready_revision = "projects/p/locations/l/services/s/revisions/r2"
    service.annotations["pagemill.dev/verified"] = "r2,r1"
    service.traffic_statuses = [run_v2.TrafficTargetStatus(percent=100)]

    state = state_of(service)

    assert (state.serving, state.verified, state.fallback) == ("r2", ("r2", "r1"), "r1")


def test_a_readiness_probe_is_a_preview_and_only_there_if_a_setting_says_so(
    service: run_v2.Service, settings: ServiceSettings
) -> None:
    wanted = service_message(settings.model_copy(update={"readiness_period_seconds": 20}), image=_IMAGE, model=_MODEL)

    assert "readiness_probe" not in service.template.containers[0]
    assert not service.launch_stage
    probe = wanted.template.containers[0].readiness_probe
    assert (probe.http_get.path, probe.http_get.port) == ("/health", 8000)
    assert (probe.period_seconds, probe.timeout_seconds, probe.failure_threshold) == (20, 5, 2)
    assert wanted.launch_stage == LaunchStage.BETA
    changed = {change.path.rpartition(".")[2] for change in changes(fields(service), fields(wanted))}
    assert {"launch_stage", "period_seconds", "path"} <= changed


def test_vllm_aborts_pages_in_flight_at_sigterm_unless_a_setting_gives_them_time(settings: ServiceSettings) -> None:
    assert "--shutdown-timeout" not in vllm_args(settings, _MODEL)
    arguments = vllm_args(settings.model_copy(update={"shutdown_seconds": 7}), _MODEL)
    assert arguments[arguments.index("--shutdown-timeout") + 1] == "7"


def test_what_cloud_run_says_of_a_service_without_previews_is_no_change(service: run_v2.Service) -> None:
    wanted = fields(service)
    service.launch_stage = LaunchStage.GA

    assert changes(fields(service), wanted) == []


def test_requests_of_the_container_go_through_a_network_if_one_is_named(
    service: run_v2.Service, settings: ServiceSettings
) -> None:
    inside = settings.model_copy(update={"vpc_network": "prod", "vpc_subnet": "gpu", "vpc_egress": "all-traffic"})
    (interface,) = service_message(inside, image=_IMAGE, model=_MODEL).template.vpc_access.network_interfaces

    assert "vpc_access" not in service.template
    assert (interface.network, interface.subnetwork) == ("prod", "gpu")
    egress = service_message(inside, image=_IMAGE, model=_MODEL).template.vpc_access.egress
    assert egress == run_v2.VpcAccess.VpcEgress.ALL_TRAFFIC


def test_a_subnet_is_enough_because_it_belongs_to_one_network(settings: ServiceSettings) -> None:
    inside = service_message(settings.model_copy(update={"vpc_subnet": "gpu"}), image=_IMAGE, model=_MODEL)

    assert [each.subnetwork for each in inside.template.vpc_access.network_interfaces] == ["gpu"]
