"""Without the extra `deploy`: one clear line instead of a traceback, and batches do not notice."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pagemill.errors import UsageError
from pagemill.extras import needs

_ROOT = Path(__file__).parents[2]
_MODULES = (
    *("artifactregistry_v1", "devtools", "iam_admin_v1", "logging_v2"),
    *("resourcemanager_v3", "run_v2", "service_usage_v1"),
)  # below google.cloud, in the order of the extra's packages
_WITHOUT_EXTRA = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.removeprefix("google.cloud.") in {_MODULES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
_NEEDS_EXTRA = "needs libraries that are not installed; type: pip install 'pagemill[deploy]'"
_PROJECT = {"GOOGLE_CLOUD_PROJECT": "my-project"}


def _run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WITHOUT_EXTRA + code, *arguments],
        env=os.environ | _PROJECT | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_command_names_the_extra_to_install_in_one_line() -> None:
    commands = ["deploy", "deploy --dry-run", "deploy --delete", "status", "build-runner"]
    done = _run(
        "from pagemill.cli.main import main; print([int(main(command.split())) for command in sys.argv[1:]])", *commands
    )

    assert done.stdout == f"{[2] * len(commands)}\n"
    assert done.stderr.splitlines() == [
        f"pagemill: pagemill {command.split()[0]} {_NEEDS_EXTRA}" for command in commands
    ]


@pytest.mark.flow
def test_the_flow_fails_with_the_extra_to_install(prefect_api_url: str) -> None:
    done = _run(
        """
from pagemill.errors import UsageError
from pagemill.flows.deploy_service import deploy_service
from pagemill.orchestration.deploy.parameters import DeployParameters
import asyncio

try:
    asyncio.run(deploy_service(DeployParameters()))
except UsageError as error:
    print(error)
""",
        PREFECT_API_URL=prefect_api_url,
    )

    assert (
        done.stdout == "pagemill deploy needs libraries that are not installed; type: pip install 'pagemill[deploy]'\n"
    )


def test_every_flow_can_be_imported_without_the_extra() -> None:
    """As in the image of the batch runner, which is built without it."""
    done = _run("import pagemill.flows.ocr_batch, pagemill.flows.ocr_shard, pagemill.flows.deploy_service")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_extra_brings_every_library_that_this_test_takes_away() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]

    assert len(project["optional-dependencies"]["deploy"]) == len(_MODULES)
    assert [name for name in project["dependencies"] if name.startswith("google-cloud-")] == [
        "google-cloud-storage>=3.1,<4"
    ]


def test_a_missing_part_of_a_namespace_package_names_the_extra() -> None:
    with pytest.raises(UsageError, match=r"pagemill\[deploy\]"), needs("deploy", "deploying"):
        from google.cloud import no_such_service  # noqa: F401, PLC0415


def test_a_library_that_is_installed_but_broken_stays_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("from os import no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ImportError, match="no_such_name"), needs("deploy", "deploying"):
        importlib.import_module("broken_library")
