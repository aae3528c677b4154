from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

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


def _resources() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Type, name and body of each resource."""
    for path in _FILES:
        for block in _bare(hcl2.loads(path.read_text())).get("resource", []):
            for kind, named in block.items():
                for name, body in named.items():
                    yield kind, name, body


def _resource(kind: str, name: str) -> dict[str, Any]:
    return next(body for found, called, body in _resources() if (found, called) == (kind, name))


def _variables() -> dict[str, Any]:
    blocks = _bare(hcl2.loads((_FOLDER / "variables.tf").read_text()))["variable"]
    return {name: body for block in blocks for name, body in block.items()}


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)
def test_every_file_is_terraform(path: Path) -> None:
    assert hcl2.loads(path.read_text())


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


def test_only_the_deployer_has_a_role_on_the_whole_project_and_the_builder_one_for_logs() -> None:
    found = {name: body["role"] for kind, name, body in _resources() if kind == "google_project_iam_member"}

    assert found == {
        "build_logs": "roles/logging.logWriter",
        "deployer": "${google_project_iam_custom_role.deployer.name}",
    }


def test_the_deployer_may_do_what_the_flow_checks_for_and_calls() -> None:
    permissions = set(_resource("google_project_iam_custom_role", "deployer")["permissions"])

    assert set(PERMISSIONS) <= permissions
    assert not [name for name in permissions if name.startswith(("storage.", "secretmanager.", "compute."))]
    assert not [name for name in permissions if "*" in name or name.endswith(".actAs")]


def test_every_api_that_the_flow_checks_for_is_switched_on_and_stays_on() -> None:
    needed = _resource("google_project_service", "needed")

    assert set(APIS) <= set(re.findall(r"[a-z]+\.googleapis\.com", (_FOLDER / "apis.tf").read_text()))
    assert needed["disable_on_destroy"] is False


def test_the_digest_that_serves_is_never_deleted() -> None:
    images = _resource("google_artifact_registry_repository", "images")
    policies = {policy["action"]: policy["condition"][0] for policy in images["cleanup_policies"]}

    assert images["docker_config"][0]["immutable_tags"] is True
    assert policies["KEEP"] == {"tag_state": "TAGGED", "tag_prefixes": ["src-"]}
    assert policies["DELETE"]["tag_state"] == "UNTAGGED"


def test_the_tag_of_the_build_cache_can_be_moved() -> None:
    cache = _resource("google_artifact_registry_repository", "cache")

    assert "docker_config" not in cache
    assert cache["cleanup_policies"][0]["condition"][0]["older_than"] == "30d"


@pytest.mark.parametrize("name", ["source", "documents"])
def test_no_bucket_can_be_made_public(name: str) -> None:
    bucket = _resource("google_storage_bucket", name)

    assert bucket["uniform_bucket_level_access"] is True
    assert bucket["public_access_prevention"] == "enforced"


def test_the_defaults_are_those_of_the_deployment() -> None:
    defaults = {name: field.default for name, field in ServiceSettings.model_fields.items()}
    variables = _variables()

    for name in ("region", "repository", "cache_repository", "source_bucket"):
        assert variables[name].get("default", "") == defaults[name], name


def test_accounts_and_bucket_have_the_names_that_the_deployment_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    settings = ServiceSettings()
    called = {
        f"pagemill-{name}"
        for name in re.findall(r"^    (\w+) += \"", (_FOLDER / "accounts.tf").read_text(), re.MULTILINE)
    }
    emails = [settings.builder, settings.runtime, *(member.partition(":")[2] for member in settings.members)]

    assert {email.partition("@")[0] for email in emails} == called
    assert '"${var.project}-pagemill-source"' in _TEXT
    assert settings.bucket == "my-project-pagemill-source"


def test_the_budget_alerts_before_it_is_used_up() -> None:
    budget = _resource("google_billing_budget", "pagemill")

    assert budget["dynamic"][0]["threshold_rules"]["for_each"] == [0.5, 0.9, 1.0]
    assert "billing_account" in budget["count"]
