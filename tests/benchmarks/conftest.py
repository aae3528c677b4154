from __future__ import annotations

import json
import os
import select
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ports import reserved_port

ROOT = Path(__file__).parents[2]
# All figures of a look in one piece: whoever reads one of them gets the others too.
_NVIDIA_SMI = f"""#!{sys.executable}
import json, os, sys, time
with open(os.environ["STARTED"], "w") as started:
    print(json.dumps(sys.argv[1:]), file=started, flush=True)
    while True:
        os.write(1, b"1000\\n3500\\n[N/A]\\n2000\\n")
        time.sleep(0.05)
"""


@dataclass(frozen=True)
class GpuMachine:
    """Has a `vllm` and an `nvidia-smi` that tell how they were started."""

    gpu: int  # its servers' port is free
    told: int  # file descriptor

    @property
    def url(self) -> str:
        """Of the servers."""
        return f"http://127.0.0.1:{8000 + self.gpu}"

    def ended(self) -> list[Any]:
        """What they told, one after the other, once all of them and the processes beside them are gone."""
        said = b""
        while True:
            assert select.select([self.told], [], [], 30)[0], "a process is left"
            if not (more := os.read(self.told, 2**16)):
                return [json.loads(line) for line in said.splitlines()]
            said += more


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GpuMachine]:
    """What `matrix.py` finds is no vLLM and no GPU."""
    command = tmp_path / "packages" / "vllm" / "entrypoints" / "cli" / "main.py"
    command.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("fake_vllm.py"), command)
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(_NVIDIA_SMI)
    smi.chmod(0o755)
    os.mkfifo(tmp_path / "started")
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    monkeypatch.setenv("PATH", f"{smi.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'packages'}{os.pathsep}{ROOT}")
    told = os.open(tmp_path / "started", os.O_RDONLY | os.O_NONBLOCK)
    with reserved_port() as port:
        yield GpuMachine(port - 8000, told)
    os.close(told)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of three pages; nobody looks at them."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(b"page %d" % number)
    return folder
