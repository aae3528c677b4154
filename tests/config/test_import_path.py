"""Code in the current folder is never executed, however pagemill is started there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import pagemill
from pagemill.config.import_path import leave_out_current_folder
from tests.fakes.ocr_process import running_endpoint
from tests.pdfs import numbered_pdf

_CONSOLE_SCRIPT = [str(Path(sys.executable).with_name("pagemill"))]
_MODULE = [sys.executable, "-m", "pagemill"]

_THIRD_PARTY = ("isal", "prefect", "numpy", "pypdfium2", "PIL", "typer", "rich", "pydantic", "uvicorn")
_FOLDERS = ("flows", "tasks", "deployments", "tests")
_STANDARD = ("json", "logging", "asyncio", "typing")

# Leaves a mark and fails when it is imported.
_HOSTILE = "import pathlib; pathlib.Path({mark!r}).touch(); raise SystemExit('the current folder was executed')\n"


def _hostile_folder(folder: Path, names: tuple[str, ...]) -> Path:
    """A folder with a PDF and modules that leave a mark when they are imported."""
    folder.mkdir()
    numbered_pdf(folder / "a.pdf", 1)
    for name in names:
        module = folder / name / "__init__.py" if name in {"flows", "deployments"} else folder / f"{name}.py"
        module.parent.mkdir(exist_ok=True)
        module.write_text(_HOSTILE.format(mark=str(folder / f"{name}.executed")))
    return folder


def _executed(folder: Path) -> list[str]:
    return sorted(mark.name for mark in folder.glob("*.executed"))


# With `python -m`, and with PYTHONPATH, the folder is searched before the standard library from Python's first import
# on. What Python itself imports at its start is executed before any line of pagemill; no program can prevent that.
# `json` is not among it, and pagemill imports nothing before it has cleaned the import path.
@pytest.mark.parametrize(
    ("program", "python_path", "standard"),
    [
        pytest.param(_CONSOLE_SCRIPT, None, _STANDARD, id="console script"),
        pytest.param(_CONSOLE_SCRIPT, ".", ("json",), id="PYTHONPATH=."),
        pytest.param(_CONSOLE_SCRIPT, "FOLDER", ("json",), id="PYTHONPATH=FOLDER"),
        pytest.param(_MODULE, None, _STANDARD, id="python -m"),
    ],
)
def test_a_run_executes_nothing_in_the_current_folder(
    tmp_path: Path, program: list[str], python_path: str | None, standard: tuple[str, ...]
) -> None:
    folder = _hostile_folder(tmp_path / "in", (*_THIRD_PARTY, *_FOLDERS, *standard))
    environment = {"PREFECT_HOME": str(tmp_path / "prefect")}

    with running_endpoint(latency_seconds=0) as endpoint:
        done = _run([*program, "run", ".", "out", "--endpoint", endpoint.url], folder, environment, python_path)

    assert _executed(folder) == []
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "a.pdf" / "document.md").is_file()


@pytest.mark.slow
def test_neither_the_embedded_service_nor_the_private_server_executes_anything_in_the_current_folder(
    tmp_path: Path,
) -> None:
    folder = _hostile_folder(tmp_path / "in", (*_THIRD_PARTY, *_FOLDERS, "json"))
    environment = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_EPHEMERAL_ENABLED": "true"}

    done = _run([*_MODULE, "run", ".", "out", "--endpoint", "local", "--prefect"], folder, environment, ".::FOLDER")

    assert _executed(folder) == []
    assert done.returncode == 0, done.stderr
    assert (folder / "out" / "a.pdf" / "document.md").is_file()


def test_what_a_flow_starts_executes_nothing_in_the_current_folder(tmp_path: Path) -> None:
    """Prefect starts the flow's process, and may execute what is there; our own children do not."""
    folder = _hostile_folder(tmp_path / "in", (*_THIRD_PARTY, *_FOLDERS, "json"))
    flow = tmp_path / "flow.py"
    flow.write_text(_FLOW)

    done = _run([sys.executable, "-P", str(flow)], folder, {}, ".")

    assert _executed(folder) == []
    assert done.returncode == 0, done.stderr


_FLOW = """
import os
import sys

sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != os.getcwd()]  # this process is Prefect's

import asyncio
from pathlib import Path

from pagemill.ocr.embedded import EmbeddedEndpoint
from pagemill.pdf.page import RenderOptions
from pagemill.pdf.rasterizer import PdfiumRasterizer


async def main():
    options = RenderOptions()
    async with PdfiumRasterizer(workers=1, page_seconds=60, memory_bytes=2**31, options=options) as rasterizer:
        assert (await rasterizer.render(Path("a.pdf"), 1)).png
    async with EmbeddedEndpoint(engine="auto", start_seconds=60) as endpoint:
        assert await endpoint.locate()


asyncio.run(main())
"""


def test_relative_entries_and_the_current_folder_leave_the_import_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = str(tmp_path / "libraries")
    linked = tmp_path / "link"
    linked.symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([".", "", "below", kept, str(tmp_path), str(linked)]))
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), str(tmp_path / "below"), str(linked), kept, *sys.path])

    leave_out_current_folder()

    assert os.environ["PYTHONPATH"] == kept
    assert os.environ["PYTHONSAFEPATH"] == "1"
    assert sys.path[0] == kept


@pytest.mark.parametrize("folder", [Path(pagemill.__path__[0]).parent, Path(typer.__path__[0]).parent])
def test_the_folder_of_pagemill_and_its_libraries_stays_even_if_it_is_the_current_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", ".")
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(sys, "path", list(sys.path))

    leave_out_current_folder()

    assert str(folder) in sys.path
    assert os.environ["PYTHONPATH"] == "."


def _run(
    command: list[str], folder: Path, environment: dict[str, str], python_path: str | None
) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", **environment}
    variables.pop("PYTHONPATH", None)
    if python_path is not None:
        variables["PYTHONPATH"] = python_path.replace("FOLDER", str(folder))
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=240, check=False)
