"""What all builds have in common: where their images come from, and how they get into the registry."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from google.cloud.devtools import cloudbuild_v1

from pagemill.gcp.build_config import BuildConfig

_INFRA = Path(__file__).parents[2] / "infra"
_FOLDERS = {  # and where they lie in the source
    "gpu_service": "",
    "batch_runner": "infra/batch_runner/",
    "smoke_service": "infra/smoke_service/",
}
_WHERE_IT_GOES = ("--cache-to=", "--provenance=", "--tag=", "--push")


@pytest.fixture(params=_FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    return _INFRA / str(request.param)


@pytest.fixture
def build(folder: Path) -> cloudbuild_v1.Build:
    return BuildConfig(folder).declared


def test_the_program_is_the_containers_first_process_so_it_gets_sigterm(folder: Path) -> None:
    dockerfile = (folder / "Dockerfile").read_text()
    begun = re.findall(r"^(?:ENTRYPOINT|CMD) (.+)$", dockerfile, re.MULTILINE)

    assert begun
    for command in begun:
        assert json.loads(command)[0] not in {"sh", "bash", "/bin/sh", "/bin/bash"}


def test_hadolint_finds_nothing_in_the_dockerfile(folder: Path) -> None:
    hadolint = shutil.which("hadolint", path=Path(sys.executable).parent)
    assert hadolint
    checked = subprocess.run([hadolint, str(folder / "Dockerfile")], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stdout) == (0, "")


def _args(build: cloudbuild_v1.Build, step: str) -> list[str]:
    return next(list(found.args) for found in build.steps if found.id == step)


def test_cloud_build_is_not_asked_for_a_provenance_of_an_image_that_it_does_not_push(
    build: cloudbuild_v1.Build,
) -> None:
    options = cloudbuild_v1.BuildOptions

    assert build.options.requested_verify_option == options.VerifyOption.NOT_VERIFIED
    assert not build.images
    assert "--provenance=mode=max" in _args(build, "push")


def test_an_image_is_pushed_by_a_step_of_its_own_with_a_new_token(build: cloudbuild_v1.Build) -> None:
    """A builder keeps the first token that it gets; tokens live for an hour, and builds may take longer."""
    assert [step.id for step in build.steps] == ["builder", "image", "new-token", "push"]
    assert _args(build, "new-token") == ["buildx", "stop", "pagemill"]
    assert not [arg for arg in _args(build, "image") if arg.startswith(_WHERE_IT_GOES)]
    assert "--push" in _args(build, "push")


def test_the_step_that_pushes_finds_everything_built_by_the_step_before(
    folder: Path, build: cloudbuild_v1.Build
) -> None:
    pushed = [arg for arg in _args(build, "push") if not arg.startswith(_WHERE_IT_GOES)]

    assert pushed == _args(build, "image")
    assert tomllib.loads((folder / "buildkitd.toml").read_text())["worker"] == {"oci": {"gc": False}}


def test_a_cache_that_cannot_be_stored_does_not_fail_the_build(build: cloudbuild_v1.Build) -> None:
    assert "--cache-to=type=registry,ref=${_CACHE},mode=max,ignore-error=true" in _args(build, "push")
    assert "--cache-from=type=registry,ref=${_CACHE}" in _args(build, "image")


def test_no_image_counts_against_the_limit_of_docker_hub(folder: Path, build: cloudbuild_v1.Build) -> None:
    args = _args(build, "builder")
    config = tomllib.loads((folder / "buildkitd.toml").read_text())

    assert "image=mirror.gcr.io/moby/buildkit:buildx-stable-1" in args
    assert args[args.index("--config") + 1] == f"{_FOLDERS[folder.name]}buildkitd.toml"
    assert config["registry"] == {"docker.io": {"mirrors": ["mirror.gcr.io"]}}
    assert not [step.name for step in build.steps if not step.name.startswith("gcr.io/cloud-builders/")]
