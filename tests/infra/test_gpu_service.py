from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
import types
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from google.cloud.devtools import cloudbuild_v1
from google.protobuf.json_format import MessageToDict

from pagemill.config.service import ServiceSettings
from pagemill.gcp.artifact_registry import PACKAGE
from pagemill.gcp.build_config import BuildConfig
from pagemill.gcp.run_spec import MODEL_FOLDER, PORT

_FOLDER = Path(__file__).parents[2] / "infra" / "gpu_service"
_DOCKERFILE = (_FOLDER / "Dockerfile").read_text()
_BUILT_IN = {"PROJECT_ID", "BUILD_ID"}
_REVISION, _SHA256 = "c" * 40, hashlib.sha256(b"weights").hexdigest()


@pytest.fixture
def build() -> cloudbuild_v1.Build:
    return BuildConfig(_FOLDER).declared


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, _FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_build_is_field_by_field_what_the_file_says(build: cloudbuild_v1.Build) -> None:
    """What `gcloud builds submit --config` reads: the file's own names and values, none lost and none added."""
    declared = yaml.safe_load((_FOLDER / "cloudbuild.yaml").read_text())

    assert MessageToDict(cloudbuild_v1.Build.pb(build)) == declared


def test_the_build_has_32_gb_200_gb_of_disk_and_80_minutes(build: cloudbuild_v1.Build) -> None:
    options = cloudbuild_v1.BuildOptions

    assert build.options.machine_type == options.MachineType.E2_HIGHCPU_32
    assert build.options.disk_size_gb == 200
    assert build.options.logging == options.LoggingMode.CLOUD_LOGGING_ONLY
    assert build.timeout.total_seconds() == 4800


def test_every_substitution_is_declared_and_used(build: cloudbuild_v1.Build) -> None:
    declared = dict(build.substitutions)
    text = " ".join([*(arg for step in build.steps for arg in step.args), build.service_account, *declared.values()])
    used = set(re.findall(r"\$\{(\w+)\}", text))

    assert used - _BUILT_IN == declared.keys()


def test_the_defaults_of_build_and_dockerfile_are_the_same(build: cloudbuild_v1.Build) -> None:
    arguments = dict(re.findall(r"^ARG (\w+)=(\S*)$", _DOCKERFILE, re.MULTILINE))

    assert arguments == {name: build.substitutions[f"_{name}"] for name in arguments}
    assert {"BASE_IMAGE", "TRANSFORMERS", "MODEL", "MODEL_REVISION", "MODEL_SHA256"} < arguments.keys()
    passed = {arg.split("=")[1] for arg in build.steps[1].args if arg.startswith("--build-arg=")}
    assert passed == arguments.keys()


def test_build_and_service_settings_name_the_same_places(build: cloudbuild_v1.Build) -> None:
    defaults = {name: field.default for name, field in ServiceSettings.model_fields.items()}

    assert build.substitutions["_REGION"] == defaults["region"]
    assert build.substitutions["_REPOSITORY"] == defaults["repository"]
    assert build.substitutions["_CACHE_REPOSITORY"] == defaults["cache_repository"]
    assert build.substitutions["_IMAGE"].split("/")[-1].startswith(f"{PACKAGE}:")


def test_the_pins_are_the_reviewed_ones(build: cloudbuild_v1.Build) -> None:
    pins = build.substitutions

    assert pins["_BASE_IMAGE"].startswith("vllm/vllm-openai:v0.22.1-cu129")
    assert pins["_TRANSFORMERS"] == "4.57.1"
    assert f"transformers=={pins['_TRANSFORMERS']}" in (_FOLDER / "constraints.txt").read_text()
    assert pins["_MODEL_SHA256"] == "cbe12d0831cca119facce91268fc7c5fb72babdf919a6e352e3131bda85c8fbb"
    assert re.fullmatch("[0-9a-f]{40}", pins["_MODEL_REVISION"])


@pytest.mark.parametrize(
    "setting",
    [
        "HF_HUB_OFFLINE=1",
        "TRANSFORMERS_OFFLINE=1",
        "VLLM_NO_USAGE_STATS=1",
        "DO_NOT_TRACK=1",
        "HF_HUB_DISABLE_TELEMETRY=1",
    ],
)
def test_the_service_runs_offline_without_telemetry(setting: str) -> None:
    assert setting in _DOCKERFILE


def test_the_service_runs_unprivileged_with_the_model_folder_of_the_flags() -> None:
    users = re.findall(r"^USER (.+)$", _DOCKERFILE, re.MULTILINE)

    assert users == ["10001:10001"]
    assert f"COPY --from=weights {MODEL_FOLDER} {MODEL_FOLDER}" in _DOCKERFILE
    assert f"EXPOSE {PORT}" in _DOCKERFILE
    assert 'ENTRYPOINT ["vllm", "serve"]' in _DOCKERFILE


def test_the_dockerignore_keeps_exactly_the_files_that_the_dockerfile_copies() -> None:
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) /", _DOCKERFILE, re.MULTILINE) for name in line.split()}
    let_through = {line[1:] for line in (_FOLDER / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    assert copied == let_through
    assert all((_FOLDER / name).exists() for name in copied)


def _hub(monkeypatch: pytest.MonkeyPatch, **files: bytes) -> list[dict[str, object]]:
    """A hub that holds these files; underscores stand for dots."""
    asked: list[dict[str, object]] = []

    def snapshot_download(model: str, *, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        asked.append({"model": model, "revision": revision, "patterns": allow_patterns})
        (local_dir / ".cache/huggingface").mkdir(parents=True)
        for name, content in files.items():
            (local_dir / name.replace("_", ".")).write_bytes(content)

    module = types.ModuleType("huggingface_hub")
    module.__dict__["snapshot_download"] = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def test_the_weights_of_one_revision_are_fetched_readable_by_all_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _hub(monkeypatch, model_safetensors=b"weights", config_json=b"{}")

    assert _script("fetch_model").fetch("a/b", _REVISION, _SHA256, tmp_path) == ""
    assert asked == [
        {"model": "a/b", "revision": _REVISION, "patterns": ["*.json", "*.safetensors", "*.jinja", "*.txt"]}
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "config.json"}
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("revision", "sha256", "said"),
    [
        ("main", _SHA256, "_MODEL_REVISION is 'main'"),
        (_REVISION[:39], _SHA256, "40 hex digits"),
        (_REVISION, "abc", "_MODEL_SHA256 is 'abc'"),
        (_REVISION, "0" * 64, f"has the SHA-256 {_SHA256}, not 000"),
    ],
)
def test_a_branch_or_other_weights_fail_the_build(
    revision: str, sha256: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hub(monkeypatch, model_safetensors=b"weights")

    assert said in _script("fetch_model").fetch("a/b", revision, sha256, tmp_path)


def test_a_model_without_safetensors_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _hub(monkeypatch, config_json=b"{}")

    assert "holds no model.safetensors" in _script("fetch_model").fetch("a/b", _REVISION, _SHA256, tmp_path)


def _transformers(monkeypatch: pytest.MonkeyPatch, version: str = "4.57.1", known: str = "mistral3") -> None:
    """A transformers that knows one type of model."""

    class Auto:
        @staticmethod
        def from_pretrained(folder: Path, *, local_files_only: bool) -> types.SimpleNamespace:
            assert local_files_only
            config = json.loads((folder / "config.json").read_text())
            if config["model_type"] != known:
                raise ValueError(f"does not recognize the model type {config['model_type']}")
            return types.SimpleNamespace(**config)

    module = types.ModuleType("transformers")
    module.__dict__.update(__version__=version, AutoConfig=Auto, AutoTokenizer=Auto)
    monkeypatch.setitem(sys.modules, "transformers", module)


def _config(
    folder: Path, model_type: str = "mistral3", architecture: str = "LightOnOCRForConditionalGeneration"
) -> Path:
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "architectures": [architecture]}))
    return folder


def test_a_config_that_the_pinned_transformers_parses_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _transformers(monkeypatch)

    assert _script("check_image").check_transformers("4.57.1", _config(tmp_path)) == ""


def test_another_transformers_than_the_pinned_one_fails_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _transformers(monkeypatch, version="5.0.0")

    assert "5.0.0 is installed" in _script("check_image").check_transformers("4.57.1", _config(tmp_path))


def test_a_config_of_another_type_or_model_fails_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = _script("check_image").check_transformers
    _transformers(monkeypatch)

    assert "lighton_ocr" in check("4.57.1", _config(tmp_path, model_type="lighton_ocr"))
    assert "['Other']" in check("4.57.1", _config(tmp_path, architecture="Other"))


def _plugin(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(_FOLDER / "vision_plugin"))
    return importlib.import_module("pagemill_vision.installation")


def test_the_plugin_is_written_for_the_vllm_of_the_image_and_found_by_its_entry_point(
    build: cloudbuild_v1.Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((_FOLDER / "vision_plugin" / "pyproject.toml").read_text())
    entry_points = project["project"]["entry-points"]["vllm.general_plugins"]
    plugin = _plugin(monkeypatch)

    assert build.substitutions["_BASE_IMAGE"].startswith(f"vllm/vllm-openai:v{plugin.VERSION}-")
    assert [EntryPoint("", value, "").load().__name__ for value in entry_points.values()] == ["register"]
    assert "pip install --no-cache-dir --no-deps --no-build-isolation /build/vision_plugin" in _DOCKERFILE


def test_a_plugin_that_does_not_fit_the_vllm_of_the_image_fails_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    script, plugin = _script("check_image"), _plugin(monkeypatch)
    monkeypatch.setattr(plugin, "install", lambda: "installed")
    fits = script.check_plugin()

    def refuse() -> str:
        raise RuntimeError("this is vLLM 0.23.0")

    monkeypatch.setattr(plugin, "install", refuse)

    assert (fits, script.check_plugin()) == ("", "this is vLLM 0.23.0")


def test_a_base_image_that_the_plugin_does_not_fit_can_be_built_without_the_plugin(
    build: cloudbuild_v1.Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument switches the plugin off for the check of the build and for the server."""
    script, plugin = _script("check_image"), _plugin(monkeypatch)
    monkeypatch.delattr(plugin, "install")  # whatever it would say
    monkeypatch.setenv("PAGEMILL_VISION", "0")

    assert script.check_plugin() == ""
    assert build.substitutions["_PAGEMILL_VISION"] == "1"
    assert re.search(r"^ENV (?:.*\\\n)*.*PAGEMILL_VISION=\$\{PAGEMILL_VISION\}", _DOCKERFILE, re.MULTILINE)


def _library_path(compat: str, of_the_base_image: str) -> str:
    """What the image has: Dockerfiles and shells replace variables by the same rules."""
    found = re.search(r"LD_LIBRARY_PATH=(\S+)", _DOCKERFILE)
    assert found
    variables = {"CUDA_COMPAT": compat, "LD_LIBRARY_PATH": of_the_base_image}
    command = ["/bin/sh", "-c", f'printf %s "{found[1]}"']
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout


def test_the_libraries_of_forward_compatibility_come_first_if_they_are_asked_for_and_else_not_at_all() -> None:
    base = "/usr/local/nvidia/lib:/usr/local/nvidia/lib64"

    assert _library_path("/usr/local/cuda/compat", base) == f"/usr/local/cuda/compat:{base}"
    assert _library_path("", base) == base
    # An empty part would be the current folder.
    assert _library_path("/usr/local/cuda/compat", "") == "/usr/local/cuda/compat:/usr/local/nvidia/lib64"
    assert _library_path("", "") == "/usr/local/nvidia/lib64"


def test_an_image_with_forward_compatibility_passes_if_its_libraries_are_there_and_found_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = _script("check_image").check_cuda_compat
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{tmp_path}:/usr/local/nvidia/lib64")
    without = check(str(tmp_path))
    (tmp_path / "libcuda.so.1").touch()
    complete = check(str(tmp_path))
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/usr/local/nvidia/lib64:{tmp_path}")

    assert "holds no libcuda.so.1" in without
    assert complete == ""
    assert "LD_LIBRARY_PATH does not begin with it" in check(str(tmp_path))
    assert check("") == ""


@pytest.mark.parametrize("serves", [True, False])
def test_a_vllm_that_does_not_serve_the_architecture_fails_the_build(
    *, serves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = _script("check_image")
    module = types.ModuleType("vllm")
    archs = [script.ARCHITECTURE] if serves else []
    registry = types.SimpleNamespace(get_supported_archs=lambda: archs)
    module.__dict__.update(__version__="0.1", ModelRegistry=registry)
    monkeypatch.setitem(sys.modules, "vllm", module)

    assert (script.check_vllm() == "") is serves
