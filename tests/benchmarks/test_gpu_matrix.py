from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu_service.matrix import Memory, log_name, main, ready, served
from tests.benchmarks.conftest import ROOT, GpuMachine
from tests.fakes.ocr_endpoint import image_name, text_of

pytestmark = pytest.mark.slow  # each starts programs that start others

_CACHES = ("VLLM_CACHE_ROOT", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH")


def _server(label: str, *arguments: str, **more: Any) -> dict[str, Any]:
    return {"label": label, "arguments": ["folder", *arguments], "environment": {}, "loads": [], **more}


def _argv(program: list[str], machine: GpuMachine, folder: Path, plan: list[dict[str, Any]]) -> list[str]:
    (folder / "plan.json").write_text(json.dumps(plan))
    where = [str(folder / name) for name in ("plan.json", "images", "out")]
    return [*program, *where, "--gpu", str(machine.gpu)]


@pytest.mark.parametrize(
    ("label", "name"),
    [("ours, 8 sequences", "ours-8-sequences"), ("stock, an L4's memory/budget", "stock-an-L4-s-memory-budget")],
)
def test_a_server_has_a_file_name(label: str, name: str) -> None:
    assert log_name({"label": label}) == name


async def test_a_server_has_empty_caches_of_its_own_and_is_gone_afterwards_with_all_it_started(
    machine: GpuMachine, tmp_path: Path
) -> None:
    (tmp_path / "ours-caches" / "vllm").mkdir(parents=True)  # of an earlier run
    server = _server("ours", "--enforce-eager", environment={"PAGEMILL_VISION": "1"})

    with served(server, tmp_path, machine.gpu) as process:
        assert await ready(process, machine.url)
        caches_while_it_runs = (tmp_path / "ours-caches" / "vllm").exists()

    (told,) = machine.ended()
    environment = told["environment"]
    assert told["arguments"] == ["serve", "folder", "--enforce-eager", "--port", str(8000 + machine.gpu)]
    assert (environment["PAGEMILL_VISION"], environment["CUDA_VISIBLE_DEVICES"]) == ("1", str(machine.gpu))
    assert {Path(environment[name]).parent for name in _CACHES} == {tmp_path / "ours-caches"}
    assert (told["caches"], caches_while_it_runs, (tmp_path / "ours-caches").exists()) == (False, True, False)


async def test_a_server_that_dies_is_not_ready_and_what_it_left_behind_is_gone_too(
    machine: GpuMachine, tmp_path: Path
) -> None:
    with served(_server("ours", "--die"), tmp_path, machine.gpu) as process:
        assert not await ready(process, machine.url)

    assert machine.ended()
    assert (tmp_path / "ours.log").read_text() == "the engine died\n"


def test_memory_is_the_most_that_the_driver_said_of_this_gpu(machine: GpuMachine) -> None:
    memory = Memory(3)
    memory.start()

    assert memory.stop() == 3500
    (asked,) = machine.ended()
    assert asked[:2] == ["-i", "3"]
    assert "--query-gpu=memory.used" in asked


def test_all_figures_of_a_server_are_written_and_why_another_did_not_start(
    machine: GpuMachine, images: Path, tmp_path: Path
) -> None:
    plan = [_server("ours", loads=["6:3:16", "2:1:700:0"], texts=2), _server("stock", "--die", loads=["6:3:16"])]
    program = [sys.executable, "-m", "benchmarks.gpu_service.matrix"]

    done = subprocess.run(
        _argv(program, machine, tmp_path, plan), cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    start, short, long, same, memory, failed, memory_too = lines
    assert [line["what"] for line in lines] == ["start", "load", "load", "texts", "memory", "failed", "memory"]
    assert [line["server"] for line in lines] == ["ours"] * 5 + ["stock"] * 2
    assert start["first_page_seconds"] == start["healthy_seconds"] + start["pages_seconds"][0]
    assert (len(start["pages_seconds"]), min(start["pages_seconds"]) > 0) == (10, True)
    asked = [[line[name] for name in ("pages", "in_flight", "tokens", "temperature")] for line in (short, long)]
    assert asked == [[6, 3, 16, 0.2], [2, 1, 700, 0]]
    assert all((line["errors"], line["prompt_tokens"]) == (0, 2145) for line in (short, long))
    assert all(line["pages_per_second"] > 0 for line in (short, long))
    assert same["texts"] == [text_of(image_name(path.read_bytes())) for path in sorted(images.iterdir())] * 16
    assert (memory["peak_mib"], memory_too["peak_mib"], failed["error"]) == (3500, 3500, "the engine died\n")
    assert len(machine.ended()) == 4  # a vLLM and an nvidia-smi for each server


@pytest.mark.usefixtures("images")
def test_a_server_that_cannot_read_its_first_page_says_so_and_the_next_one_has_its_turn(
    machine: GpuMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = [_server("ours", "--unwell"), _server("stock", texts=1)]
    monkeypatch.setattr(sys, "argv", _argv(["matrix"], machine, tmp_path, plan))

    assert asyncio.run(main()) == 0

    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert [line["what"] for line in lines] == ["failed", "memory", "start", "texts", "memory"]
    assert "it cannot read a page: HTTPStatusError(" in lines[0]["error"]


async def test_what_the_shell_says_of_the_plugin_is_not_what_the_plan_says(
    machine: GpuMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGEMILL_VISION", "0")
    monkeypatch.setenv("VLLM_PLUGINS", "")

    with served(_server("ours"), tmp_path, machine.gpu) as process:
        assert await ready(process, machine.url)

    assert not {"PAGEMILL_VISION", "VLLM_PLUGINS"} & machine.ended()[0]["environment"].keys()


@pytest.mark.usefixtures("images")
def test_no_server_is_begun_when_the_time_is_over(
    machine: GpuMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = _argv(["matrix", "--seconds=-1"], machine, tmp_path, [_server("ours"), _server("stock")])
    monkeypatch.setattr(sys, "argv", argv)

    assert asyncio.run(main()) == 0
    assert capsys.readouterr().out == "no time for ours\nno time for stock\n"
    assert list((tmp_path / "out").iterdir()) == []
