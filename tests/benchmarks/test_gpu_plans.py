from __future__ import annotations

import itertools
import json
import math
import sys
from typing import Any

import pytest

from benchmarks.gpu_service import model_folder
from benchmarks.gpu_service.load import MODEL, Load
from benchmarks.gpu_service.matrix import log_name
from benchmarks.gpu_service.plans import DOCKERFILE, PLANS, image_environment, main
from pagemill.config.service import ServiceSettings
from pagemill.gcp.run_spec import vllm_args

_SERVERS = [server for make in PLANS.values() for server in make("folder", 79.6)]
_OURS = [server for server in _SERVERS if server["label"].startswith("ours")]
_STOCK = [server for server in _SERVERS if server["label"].startswith("stock")]


def _only(plan: str, label: str, gpu_gib: float = 79.6) -> dict[str, Any]:
    (server,) = [server for server in PLANS[plan]("folder", gpu_gib) if server["label"].startswith(label)]
    return server


def _values(server: dict[str, Any], flag: str) -> list[str]:
    """All of a flag; vLLM takes the last."""
    return [value for name, value in itertools.pairwise(server["arguments"]) if name == flag]


def test_ours_has_the_flags_of_the_deployed_service_but_for_place_and_weights() -> None:
    model, *deployed = vllm_args(ServiceSettings(), MODEL)
    for flag in ("--host", "--port"):
        at = deployed.index(flag)
        del deployed[at : at + 2]

    assert model == "/models/lightonocr"
    assert _only("acceptance", "ours")["arguments"] == ["folder", *deployed, "--load-format", "dummy"]
    assert _only("start", "ours")["arguments"] == ["folder", *deployed]


def test_ours_runs_in_the_environment_that_the_image_sets_for_vllm_and_not_in_what_its_comments_name() -> None:
    assert "PAGEMILL_VISION=0" in DOCKERFILE.read_text()
    assert image_environment() == {"VLLM_NO_USAGE_STATS": "1", "VLLM_WORKER_MULTIPROC_METHOD": "fork"}


def test_ours_starts_its_processes_as_the_image_does_and_asks_nobody() -> None:
    said = {"VLLM_WORKER_MULTIPROC_METHOD": "fork", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}

    assert _OURS
    assert all(said.items() <= server["environment"].items() for server in _OURS)


def test_settings_of_the_shell_change_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: make("folder", 79.6) for name, make in PLANS.items()}
    monkeypatch.setenv("PAGEMILL_SERVICE_MAX_MODEL_LEN", "4096")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "No Project")

    assert {name: make("folder", 79.6) for name, make in PLANS.items()} == before


def test_stock_never_loads_the_plugin() -> None:
    assert _STOCK
    assert {server["environment"]["VLLM_PLUGINS"] for server in _STOCK} == {""}
    assert {server["environment"]["PAGEMILL_VISION"] for server in _STOCK} == {"0"}


@pytest.mark.parametrize("gpu_gib", [79.6, 139.8])
@pytest.mark.parametrize("label", ["stock", "ours"])
def test_of_any_gpu_both_get_what_vllm_may_use_of_an_l4(label: str, gpu_gib: float) -> None:
    share = float(_values(_only("l4", label, gpu_gib), "--gpu-memory-utilization")[-1])

    assert share * gpu_gib == pytest.approx(17.88, abs=0.01)


def test_stock_has_the_budget_that_vllm_gives_an_l4_and_ours_its_own() -> None:
    assert _values(_only("l4", "stock"), "--max-num-batched-tokens") == ["2048"]
    assert _values(_only("l4", "ours"), "--max-num-batched-tokens") == ["8192"]
    assert _values(_only("acceptance", "stock"), "--max-num-batched-tokens") == []


def test_the_servers_of_a_plan_read_the_same_loads_with_as_many_sequences_into_logs_of_their_own() -> None:
    for plan in (make("folder", 79.6) for make in PLANS.values()):
        assert len({tuple(server["loads"]) for server in plan}) == 1
        assert len({server["texts"] for server in plan}) == 1
        assert len({tuple(_values(server, "--max-num-seqs")) for server in plan}) == 1
        assert len({log_name(server) for server in plan}) == len(plan)
        assert all(Load.parse(load).in_flight <= 24 for server in plan for load in server["loads"])


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_is_printed_for_the_gpu_that_is_named(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["plans", name, "/a/folder", "--gpu-gib", "139.8"])

    assert main() == 0
    assert json.loads(capsys.readouterr().out) == PLANS[name]("/a/folder", 139.8)


def test_the_made_up_model_has_the_weights_of_the_real_one() -> None:
    shapes = dict(model_folder.shapes())

    assert len(list(model_folder.shapes())) == len(shapes) == 532
    assert sum(map(math.prod, shapes.values())) == 1_005_647_872
    assert shapes["model.language_model.embed_tokens.weight"] == (151_936, 1024)


def test_the_config_says_the_sizes_of_the_real_one_and_can_be_written() -> None:
    config = json.loads(json.dumps(model_folder.CONFIG))
    text, vision = config["text_config"], config["vision_config"]
    wide, long, heads = "hidden_size", "intermediate_size", "num_attention_heads"

    assert config == model_folder.CONFIG
    assert [config[f"{token}_token_id"] for token in ("image", "eos", "pad")] == [151_655, 151_645, 151_643]
    assert [text[size] for size in (wide, long, heads, "num_hidden_layers", "head_dim")] == [1024, 3072, 16, 28, 128]
    assert (text["num_key_value_heads"], text["vocab_size"], len(text["layer_types"])) == (8, 151_936, 28)
    assert [vision[size] for size in (wide, long, heads, "num_hidden_layers", "head_dim")] == [1024, 4096, 16, 24, 64]
    assert (vision["patch_size"], vision["image_size"], config["spatial_merge_size"]) == (14, 1540, 2)
