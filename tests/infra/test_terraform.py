from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2
import pytest
from prefect_gcp.models import cloud_run_v2

from pagemill.config.service import ServiceSettings
from pagemill.gcp.checks import APIS, PERMISSIONS

_FOLDER = Path(__file__).parents[2] / "infra" / "terraform"
_FILES = sorted(_FOLDER.glob("*.tf"))
_TEXT = "\n".join(path.read_text() for path in _FILES)


def _bare(value: Any) -> Any:
    """Names and strings without the quotes that the parser leaves around them."""
    match value:
        case str():
            return value.strip('"')
        case dict():
            return {_bare(key): _bare(inner) for key, inner in value.items() if not key.startswith("__")}
        case list():
            return [_bare(inner) for inner in value]
    return value


@cache
def _parsed(path: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = _bare(hcl2.loads(path.read_text()))
    return parsed


def _resources(of: str = "resource") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Type, name and body of each resource, or of each data source."""
    for path in _FILES:
        for block in _parsed(path).get(of, []):
            for kind, named in block.items():
                for name, body in named.items():
                    yield kind, name, body


def _resource(kind: str, name: str) -> dict[str, Any]:
    return next(body for found, called, body in _resources() if (found, called) == (kind, name))


def _variables() -> dict[str, Any]:
    blocks = _parsed(_FOLDER / "variables.tf")["variable"]
    return {name: body for block in blocks for name, body in block.items()}


def test_the_locked_provider_is_one_that_the_versions_allow_with_checksums_for_every_platform() -> None:
    (block,) = _parsed(_FOLDER / ".terraform.lock.hcl")["provider"]
    ((address, lock),) = block.items()
    wanted = _parsed(_FOLDER / "versions.tf")["terraform"][0]["required_providers"][0]["google"]

    assert address == f"registry.terraform.io/{wanted['source']}"
    assert wanted["version"] == ">= 7.0, < 8.0"
    assert re.fullmatch(r"7\.\d+\.\d+", lock["version"])
    archives = [checksum for checksum in lock["hashes"] if re.fullmatch("zh:[0-9a-f]{64}", checksum)]
    assert len(set(archives)) == 12  # eleven platforms, and the manifest


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_every_file_is_terraform(path: Path) -> None:
    assert _parsed(path)


@pytest.fixture
def terraform() -> str:
    found = shutil.which("terraform") or shutil.which("tofu")
    if not found:
        pytest.skip("there is no terraform here; the other tests read the files with python-hcl2")
    return found


def test_terraform_fmt_has_no_changes(terraform: str) -> None:
    checked = subprocess.run(
        [terraform, "fmt", "-check", "-diff"], cwd=_FOLDER, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_terraform_validate_succeeds(terraform: str, tmp_path: Path) -> None:
    folder = shutil.copytree(_FOLDER, tmp_path / "terraform")
    begun = subprocess.run([terraform, "init", "-backend=false"], cwd=folder, capture_output=True, check=False)
    if begun.returncode:
        pytest.skip("terraform cannot fetch its provider here")
    checked = subprocess.run([terraform, "validate"], cwd=folder, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_field_has_two_owners() -> None:
    kinds = {kind for kind, _, _ in _resources()}

    assert not [kind for kind in kinds if kind.startswith("google_cloud_run")]
    assert not [kind for kind in kinds if kind.endswith(("_iam_binding", "_iam_policy"))]


def test_the_service_runs_as_an_account_without_any_role() -> None:
    granted = [body for kind, _, body in _resources() if kind.endswith("_iam_member")]

    assert len(granted) >= 8
    for body in granted:
        assert '["run"]' not in body["member"], body


def test_only_deployer_and_launcher_have_roles_on_the_whole_project_and_the_builder_one_for_logs() -> None:
    found = {name: body["role"] for kind, name, body in _resources() if kind == "google_project_iam_member"}

    assert found == {
        "build_logs": "roles/logging.logWriter",
        "deployer": "${google_project_iam_custom_role.deployer.name}",
        "launcher": "${google_project_iam_custom_role.launcher.name}",
    }


def test_the_deployer_may_do_what_the_flow_checks_for_and_calls() -> None:
    permissions = set(_resource("google_project_iam_custom_role", "deployer")["permissions"])

    assert set(PERMISSIONS) <= permissions
    assert "logging.logEntries.list" in permissions  # for --logs
    assert "monitoring.timeSeries.list" in permissions  # how many instances run says whether there is room for one more
    assert not [name for name in permissions if name.startswith(("storage.", "secretmanager.", "compute."))]
    assert not [name for name in permissions if "*" in name or name.endswith(".actAs")]


class _Recorder:
    """A client of Google's API discovery: notes the calls, and answers that there is one execution."""

    def __init__(self, calls: set[str], path: str = "") -> None:
        self._calls = calls
        self._path = path

    def __getattr__(self, name: str) -> _Recorder:
        return _Recorder(self._calls, f"{self._path}.{name}")

    def __call__(self, **named: object) -> Any:
        if self._path.endswith(".execute"):
            return {"name": "j", "executions": [{"name": "e"}], "done": True}
        if named:
            self._calls.add(self._path)
        return self


def test_the_launcher_may_do_exactly_what_prefects_worker_does_with_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls of the library itself: to run a flow, and to cancel it."""
    called: set[str] = set()
    client: Any = _Recorder(called)
    monkeypatch.setattr(cloud_run_v2.time, "sleep", lambda _: None)
    job = ("my-project", "europe-west4", "a-job")
    for use in ("get", "run", "delete"):
        with contextlib.suppress(KeyError):  # the answer is no whole job
            getattr(cloud_run_v2.JobV2, use)(client, *job)
    cloud_run_v2.JobV2.create(client, *job[:2], job[2], {})
    with contextlib.suppress(KeyError):
        cloud_run_v2.ExecutionV2.get(client, "an execution")
    needed = {
        f"run{call.replace('.projects.locations', '').replace('.jobs.executions', '.executions')}" for call in called
    }

    assert set(_resource("google_project_iam_custom_role", "launcher")["permissions"]) == needed


def test_the_launcher_acts_as_the_jobs_account_and_reads_their_image() -> None:
    acts = _resource("google_service_account_iam_member", "launcher_acts_as")
    reads = _resource("google_artifact_registry_repository_iam_member", "image_readers")

    assert acts["service_account_id"] == '${google_service_account.pagemill["worker"].name}'
    assert acts["role"] == "roles/iam.serviceAccountUser"
    assert '["launcher"]' in acts["member"]
    assert 'setproduct(["deployer", "launcher"], local.regions)' in reads["for_each"]
    assert reads["role"] == "roles/artifactregistry.reader"


def test_a_second_region_gets_the_same_repositories_with_the_same_rights() -> None:
    (regions,) = [block["regions"] for block in _parsed(_FOLDER / "registry.tf")["locals"] if "regions" in block]

    assert "compact([var.region, var.second_region])" in regions
    for repository in ("images", "cache"):
        made = _resource("google_artifact_registry_repository", repository)
        assert (made["for_each"], made["location"]) == ("${local.regions}", "${each.value}")
    for named in ("build_writes", "image_readers"):
        assert "location" in _resource("google_artifact_registry_repository_iam_member", named)


def test_jobs_may_read_the_prefect_servers_secret_where_there_is_one_and_no_other() -> None:
    (secret,) = [body for kind, _, body in _resources() if kind.startswith("google_secret_manager")]

    assert (secret["secret_id"], secret["role"]) == ("${var.api_auth_secret}", "roles/secretmanager.secretAccessor")
    assert '["worker"]' in secret["member"]
    assert 'var.api_auth_secret != ""' in secret["count"]


def test_nobody_can_forget_who_deploys() -> None:
    """The role goes to the deployer's account only, so without a member who may act as it nobody can deploy."""
    deployers = _variables()["deployers"]

    assert "default" not in deployers
    assert "length(var.deployers) > 0" in deployers["validation"][0]["condition"]


def test_accounts_are_used_by_impersonation_and_each_only_by_whom_its_variable_names() -> None:
    impersonates = _resource("google_service_account_iam_member", "impersonates")
    pairs = re.findall(r'setproduct\(\["(\w+)"\], tolist\(var\.(\w+)\)', impersonates["for_each"])

    assert sorted(pairs) == [("caller", "callers"), ("deployer", "deployers"), ("launcher", "launchers")]
    assert not [kind for kind, _, _ in _resources() if kind == "google_service_account_key"]


def _providers() -> dict[str, dict[str, Any]]:
    """By alias; the default one has none."""
    blocks = _parsed(_FOLDER / "versions.tf")["provider"]
    return {body.get("alias", ""): body for block in blocks for body in block.values()}


def test_apis_are_enabled_without_the_quota_of_a_project_that_has_no_api_yet() -> None:
    providers = _providers()
    enabling = {name: body for kind, name, body in _resources() if kind == "google_project_service"}

    assert providers[""]["user_project_override"] is True
    assert providers["without_quota_project"]["user_project_override"] is False
    assert "billing_project" not in providers["without_quota_project"]
    assert {body["provider"] for body in enabling.values()} == {"${google.without_quota_project}"}
    assert enabling["needed"]["depends_on"] == ["${google_project_service.first}"]
    assert {body["disable_on_destroy"] for body in enabling.values()} == {False}


def test_nothing_is_read_before_its_api_is_enabled() -> None:
    """A data source without that would be read by `terraform plan`, which fails in a new project."""
    first = re.findall(r"[a-z]+\.googleapis\.com", _TEXT.partition("first_apis = [")[2].partition("]")[0])
    read = {kind: body["depends_on"] for kind, _, body in _resources("data")}

    assert first == ["cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com", "storage.googleapis.com"]
    assert read.keys() == {"google_project", "google_storage_project_service_account"}
    assert set(map(tuple, read.values())) == {("${google_project_service.first}",)}


def test_every_api_that_the_flow_checks_for_is_enabled() -> None:
    assert set(APIS) <= set(re.findall(r"[a-z]+\.googleapis\.com", (_FOLDER / "apis.tf").read_text()))


def _policies(*, kept_images: bool) -> dict[str, dict[str, Any]]:
    """The clean-up policies of images, by id, as they are with `kept_images` or without."""
    images = _resource("google_artifact_registry_repository", "images")
    found = list(images["cleanup_policies"])
    for block in images["dynamic"]:
        (_, body) = next(iter(block.items()))
        if body["for_each"].startswith("${var.kept_images == 0 ? []") is kept_images:
            found += body["content"]
    return {policy["id"]: policy for policy in found}


def test_the_digest_that_serves_is_never_deleted() -> None:
    policies = _policies(kept_images=False)
    images = _resource("google_artifact_registry_repository", "images")

    assert images["docker_config"][0]["immutable_tags"] == "${var.kept_images == 0}"
    assert policies["keep-what-may-serve"]["action"] == "KEEP"
    assert policies["keep-what-may-serve"]["condition"][0]["tag_state"] == "TAGGED"
    assert [policy["condition"][0]["tag_state"] for policy in policies.values() if policy["action"] == "DELETE"] == [
        "UNTAGGED"
    ]


def test_old_images_are_deleted_only_where_tags_are_mutable_and_never_those_of_a_rollback() -> None:
    """An image with an immutable tag cannot be deleted. A rollback may go to any of the last ten revisions.

    With the provenance, an image is an index of two manifests, and each of the three counts as a version.
    """
    policies = _policies(kept_images=True)

    assert policies.keys() == {"keep-the-newest", "delete-old-images", "delete-leftovers-of-builds"}
    assert policies["keep-the-newest"]["most_recent_versions"] == [{"keep_count": "${3 * cleanup_policies.value}"}]
    assert "var.kept_images >= 10" in _variables()["kept_images"]["validation"][0]["condition"]


def test_the_tag_of_the_build_cache_can_be_moved() -> None:
    assert "docker_config" not in _resource("google_artifact_registry_repository", "cache")


def test_durations_are_written_as_the_api_returns_them() -> None:
    """In days they would differ from the API's answer at each `terraform plan`."""
    durations = re.findall(r'older_than\s+= "(.+?)"', _TEXT)

    assert durations == ["2592000s", "2592000s"]
    assert '["7776000s"]' in _TEXT


def test_cloud_storage_may_announce_uploads_and_does() -> None:
    announced = _resource("google_storage_notification", "uploads")
    may = _resource("google_pubsub_topic_iam_member", "storage_announces")

    assert announced["event_types"] == ["OBJECT_FINALIZE"]
    assert announced["topic"] == "${local.uploads.id}"
    assert announced["object_name_prefix"] == "${var.uploads_prefix}"
    assert announced["depends_on"] == ["${google_pubsub_topic_iam_member.storage_announces}"]
    assert may == {
        "topic": "${local.uploads.name}",
        "role": "roles/pubsub.publisher",
        "member": "${local.agents.storage}",
    }
    assert "results belong elsewhere" in _variables()["uploads_prefix"]["description"].lower()


def test_an_upload_that_is_not_acknowledged_comes_again_later_and_in_the_end_is_set_aside() -> None:
    uploads, aside = (_resource("google_pubsub_subscription", name) for name in ("uploads", "undelivered"))

    assert uploads["retry_policy"] == [{"minimum_backoff": "10s", "maximum_backoff": "600s"}]
    assert uploads["dead_letter_policy"] == [
        {"dead_letter_topic": "${local.undelivered.id}", "max_delivery_attempts": 100}
    ]
    assert aside["topic"] == "${local.undelivered.id}"  # without a subscription the topic would lose them
    assert {tuple(body["expiration_policy"][0].items()) for body in (uploads, aside)} == {(("ttl", ""),)}


def test_pubsub_may_set_messages_aside_and_the_worker_may_read_them() -> None:
    aside = _resource("google_pubsub_topic_iam_member", "pubsub_sets_aside")
    readers = _resource("google_pubsub_subscription_iam_member", "readers")

    assert (aside["topic"], aside["role"]) == ("${local.undelivered.name}", "roles/pubsub.publisher")
    assert aside["member"] == readers["for_each"]["pubsub"] == "${local.agents.pubsub}"
    assert readers["role"] == "roles/pubsub.subscriber"
    assert '["worker"]' in readers["for_each"]["worker"]


def test_alerts_can_be_made_before_the_service_has_measured_anything() -> None:
    policy = _resource("google_monitoring_alert_policy", "service")
    (condition,) = policy["conditions"][0]["condition_prometheus_query_language"]

    assert condition["disable_metric_validation"] is True
    assert set(re.findall(r"run_googleapis_com:(\w+)", (_FOLDER / "alerts.tf").read_text())) == {
        "container_billable_instance_time",
        "container_instance_count",
        "request_count",
    }
    assert "length(var.alert_emails) > 0" in policy["for_each"]


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [
        ("google_artifact_registry_repository", "images", "kms_key_name"),
        ("google_artifact_registry_repository", "cache", "kms_key_name"),
        ("google_pubsub_topic", "uploads", "kms_key_name"),
        ("google_storage_bucket", "source", "encryption"),
        ("google_storage_bucket", "documents", "encryption"),
    ],
)
def test_whatever_holds_data_is_encrypted_with_the_given_key_after_its_agent_may_use_it(
    kind: str, name: str, field: str
) -> None:
    body = _resource(kind, name)

    assert "var.kms_key" in str(body.get(field) or body["dynamic"])
    assert "${google_kms_crypto_key_iam_member.agents}" in body["depends_on"]


def test_state_and_plugins_of_terraform_are_never_committed_and_its_lock_may_be(tmp_path: Path) -> None:
    git = shutil.which("git")
    assert git
    shutil.copy(_FOLDER.parents[1] / ".gitignore", tmp_path)
    subprocess.run([git, "init", "-q", str(tmp_path)], check=True)
    names = [f"infra/terraform/{name}" for name in ("terraform.tfstate", "terraform.tfstate.backup", ".terraform/x")]
    asked = [*names, "infra/terraform/.terraform.lock.hcl", "infra/terraform/main.tf"]
    checked = subprocess.run([git, "check-ignore", *asked], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert checked.stdout.split() == names


@pytest.mark.parametrize("name", ["source", "documents"])
def test_no_bucket_can_be_made_public(name: str) -> None:
    bucket = _resource("google_storage_bucket", name)

    assert bucket["uniform_bucket_level_access"] is True
    assert bucket["public_access_prevention"] == "enforced"


def test_the_defaults_are_those_of_the_deployment() -> None:
    defaults = {name: field.default for name, field in ServiceSettings.model_fields.items()}
    variables = _variables()

    for name in ("region", "repository", "cache_repository", "source_bucket", "max_instances"):
        assert variables[name].get("default", "") == defaults[name], name
    assert variables["service"]["default"] == defaults["name"]


def test_accounts_and_bucket_have_the_names_that_the_deployment_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    settings = ServiceSettings()
    called = {
        f"pagemill-{name}"
        for name in re.findall(r"^    (\w+) += \"", (_FOLDER / "accounts.tf").read_text(), re.MULTILINE)
    }
    emails = [settings.builder, settings.runtime, *(member.partition(":")[2] for member in settings.members)]

    assert {email.partition("@")[0] for email in emails} == called - {"pagemill-launcher"}  # which deploys nothing
    assert '"${var.project}-pagemill-source"' in _TEXT
    assert settings.bucket == "my-project-pagemill-source"


def test_who_else_changes_the_service_is_told_because_no_metric_says_that_a_revision_is_verified() -> None:
    policy = _resource("google_monitoring_alert_policy", "changed_by_others")
    (condition,) = policy["conditions"]
    (log,) = condition["condition_matched_log"]
    method = re.search(r'methodName=~\\"(.+?)\\"', log["filter"])

    assert method
    for changes in ("v1.Services.ReplaceService", "v2.Services.UpdateService", "v2.Services.CreateService"):
        assert re.search(method[1], f"google.cloud.run.{changes}")
    assert not re.search(method[1], "google.cloud.run.v2.Services.GetService")
    assert "length(var.alert_emails) > 0" in policy["count"]
    assert 'google_service_account.pagemill["deployer"].email' in log["filter"].partition("principalEmail!=")[2]
    assert policy["alert_strategy"][0]["notification_rate_limit"]  # without one, Google refuses such an alert


def test_the_budget_alerts_before_it_is_used_up() -> None:
    budget = _resource("google_billing_budget", "pagemill")

    assert budget["dynamic"][0]["threshold_rules"]["for_each"] == [0.5, 0.9, 1.0]
    assert "billing_account" in budget["count"]
