from __future__ import annotations

import re
from pathlib import Path

import yaml
from google.cloud.devtools import cloudbuild_v1
from google.protobuf.json_format import MessageToDict

from pagemill.extras import INSTALL_FONTS
from pagemill.gcp.build_config import BuildConfig
from pagemill.orchestration.deploy.image_build import RUNNER_SOURCE

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / "infra" / "batch_runner"
_DOCKERFILE = (_FOLDER / "Dockerfile").read_text()


def test_the_build_is_field_by_field_what_the_file_says_and_its_defaults_are_the_dockerfiles() -> None:
    build = BuildConfig(_FOLDER).declared
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", _DOCKERFILE, re.MULTILINE))

    assert MessageToDict(cloudbuild_v1.Build.pb(build)) == yaml.safe_load((_FOLDER / "cloudbuild.yaml").read_text())
    assert arguments == {name: build.substitutions[f"_{name}"] for name in ("PYTHON_IMAGE", "UV")}


def test_the_image_is_built_with_the_uv_of_the_lock() -> None:
    locked = re.search(r'^name = "uv"\nversion = "([\d.]+)"', (_ROOT / "uv.lock").read_text(), re.MULTILINE)
    assert locked

    assert f"ARG UV={locked[1]}\n" in _DOCKERFILE


def test_the_dockerfile_copies_exactly_the_source_of_the_runner() -> None:
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.+) \./?\S*$", _DOCKERFILE, re.MULTILINE) for name in line.split()
    }

    assert all((_ROOT / name).exists() for name in copied)
    assert copied == set(RUNNER_SOURCE)
    assert {"src", "flows", "tasks", "deployments", "infra", "prefect.yaml", "uv.lock"} <= copied


def test_the_image_has_the_fonts_that_the_doctor_asks_for_and_proves_it() -> None:
    package = INSTALL_FONTS.rsplit(maxsplit=1)[-1]

    assert f" {package} " in _DOCKERFILE
    assert "python3 -m pagemill.pdf.font_probe" in _DOCKERFILE


def test_flows_run_unprivileged_in_the_root_of_the_project() -> None:
    assert re.findall(r"^USER (.+)$", _DOCKERFILE, re.MULTILINE) == ["10001:10001"]
    assert re.findall(r"^WORKDIR (.+)$", _DOCKERFILE, re.MULTILINE)[-1] == "/app"
    assert "--locked" in _DOCKERFILE
