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
_WITHOUT = (
    "import runpy, sys; sys.modules.update(dict.fromkeys(({modules})));"
    "sys.argv = {command!r}; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
_LOCAL = "'PIL', 'cv2', 'onnxruntime', 'rapidocr', 'tesserocr'"  # Prefect brings starlette and uvicorn, too


@pytest.mark.parametrize(
    "command",
    [
        ["pagemill", "endpoint"],
        ["pagemill", "run", "in", "out", "--endpoint", "local", "--dry-run"],
        ["pagemill", "doctor"],
        ["pagemill.local_endpoint", "--port", "0"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
@pytest.mark.parametrize("modules", [_LOCAL, "'PIL',"], ids=["nothing installed", "one library missing"])
def test_every_command_that_needs_a_missing_extra_says_so_in_one_line(
    tmp_path: Path, command: list[str], modules: str
) -> None:
    (tmp_path / "in").mkdir()

    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(modules=modules, command=command)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    said = [line for line in (done.stdout + done.stderr).splitlines() if "pip install" in line]
    assert len(said) == 1, done.stderr
    assert (
        "the embedded OCR service needs libraries that are not installed; type: pip install 'pagemill[local]'"
        in said[0]
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
