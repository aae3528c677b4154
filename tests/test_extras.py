"""A missing extra is one clear line."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from pagemill.errors import UsageError
from pagemill.extras import needs


def test_a_missing_library_names_the_extra_to_install() -> None:
    with (
        pytest.raises(
            UsageError, match=r"^reading needs libraries that are not installed; type: pip install 'pagemill\[local\]'$"
        ),
        needs("local", "reading"),
    ):
        importlib.import_module("no_such_library.part")


def test_a_missing_module_of_pagemill_itself_stays_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_room"), needs("local", "reading"):
        importlib.import_module("pagemill.no_such_room")


def test_installed_libraries_change_nothing() -> None:
    with needs("local", "reading"):
        importlib.import_module("json")


# A module that is None in `sys.modules` counts as not installed.
_WITHOUT = "import sys; sys.modules.update(dict.fromkeys(({modules}))); {then}"
_COMMANDS = ["endpoint", "run in out --endpoint local --dry-run", "doctor"]
_LOCAL = "'PIL', 'cv2', 'onnxruntime', 'rapidocr', 'tesserocr'"  # Prefect brings starlette and uvicorn, too
_NEEDS = "the embedded OCR service needs libraries that are not installed; type: pip install 'pagemill[local]'"


@pytest.mark.parametrize("modules", [_LOCAL, "'PIL',"], ids=["nothing installed", "one library missing"])
def test_every_command_that_needs_a_missing_extra_says_so_in_one_line(tmp_path: Path, modules: str) -> None:
    (tmp_path / "in").mkdir()

    done = _run_without(
        modules, f"from pagemill.cli.main import main; print([int(main(it.split())) for it in {_COMMANDS}])", tmp_path
    )

    said = [line for line in (done.stdout + done.stderr).splitlines() if "pip install" in line]
    about_a_witness = [line for line in said if "to have one" in line]  # of `doctor` alone
    assert len(about_a_witness) == 1
    assert [_NEEDS in line for line in said if line not in about_a_witness] == [True] * len(_COMMANDS), done.stderr
    assert done.stdout.splitlines()[-1] == "[2, 2, 2]"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("modules", [_LOCAL, "'PIL',"], ids=["nothing installed", "one library missing"])
def test_the_embedded_service_by_itself_names_the_extra_too(tmp_path: Path, modules: str) -> None:
    service = "pagemill.local_endpoint"
    done = _run_without(
        modules,
        f"import runpy; sys.argv = ['{service}', '--port', '0'];"
        f"runpy.run_module('{service}', run_name='__main__', alter_sys=True)",
        tmp_path,
    )

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert _NEEDS in line


def _run_without(modules: str, program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(modules=modules, then=program)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
