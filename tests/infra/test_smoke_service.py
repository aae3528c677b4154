from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from google.cloud.devtools import cloudbuild_v1
from google.protobuf.json_format import MessageToDict

from pagemill.config.smoke import read_smoke_settings
from pagemill.gcp.build_config import BuildConfig
from pagemill.gcp.run_spec import PORT, container_args
from pagemill.orchestration.deploy.image_build import SMOKE, SMOKE_SOURCE

_ROOT = Path(__file__).parents[2]
_FOLDER = _ROOT / "infra" / "smoke_service"
_DOCKERFILE = (_FOLDER / "Dockerfile").read_text()


def _words(instruction: str) -> list[str]:
    (found,) = re.findall(rf"^{instruction} (\[.+\])$", _DOCKERFILE, re.MULTILINE)
    words: list[str] = json.loads(found)
    return words


def test_the_build_is_field_by_field_what_the_file_says_and_its_defaults_are_the_dockerfiles() -> None:
    build = BuildConfig(_FOLDER).declared
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", _DOCKERFILE, re.MULTILINE))

    assert MessageToDict(cloudbuild_v1.Build.pb(build)) == yaml.safe_load((_FOLDER / "cloudbuild.yaml").read_text())
    assert arguments == {name: build.substitutions[f"_{name}"] for name in ("PYTHON_IMAGE", "UV")}


def test_the_image_is_built_with_the_python_and_the_uv_of_the_runners_image() -> None:
    of_the_runner = (_ROOT / "infra" / "batch_runner" / "Dockerfile").read_text()

    for name in ("PYTHON_IMAGE", "UV"):
        line = re.findall(rf"^ARG {name}=.+$", _DOCKERFILE, re.MULTILINE)
        assert line
        assert line == re.findall(rf"^ARG {name}=.+$", of_the_runner, re.MULTILINE)


def test_the_source_is_what_the_dockerfile_copies_and_the_build_itself() -> None:
    copied = {
        name for line in re.findall(r"^COPY (?!--)(.+) \./?\S*$", _DOCKERFILE, re.MULTILINE) for name in line.split()
    }

    assert copied | {"infra/smoke_service"} == set(SMOKE_SOURCE)
    assert all((_ROOT / name).exists() for name in SMOKE_SOURCE)


def test_the_service_starts_the_image_with_its_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
    settings = read_smoke_settings()
    entrypoint = _words("ENTRYPOINT")

    assert _words("CMD") == list(container_args(settings, SMOKE))
    assert entrypoint[-2:] == ["--port", str(PORT)]
    assert entrypoint[entrypoint.index("--workers") + 1] == str(settings.canary_in_flight) == str(settings.cpu)


def test_it_runs_unprivileged() -> None:
    assert re.findall(r"^USER (.+)$", _DOCKERFILE, re.MULTILINE) == ["10001:10001"]
