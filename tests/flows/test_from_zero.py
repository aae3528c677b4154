"""The section "From zero" of docs/deploying.md, command by command.

gcloud and terraform are stand-ins that know which commands, options and variables exist; pagemill's commands really
run, with the real clients, against a project on loopback.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prefect.settings import get_current_settings
from typer.testing import CliRunner

from pagemill.cli.main import app
from pagemill.orchestration import service_url
from tests.fakes import command_stand_in
from tests.flows.deployer import Deployer

_ROOT = Path(__file__).parents[2]
_PAGES = {"docs/deploying.md": ".", "deployments/README.md": ".", "infra/terraform/README.md": "infra/terraform"}
Typed = Callable[..., list[str]]
_SERVER = "http://127.0.0.1:4200/api"  # which `make server` starts; the test has one of its own


def _commands(page: str, section: str = "") -> list[str]:
    """Whatever follows a `$` in the blocks of a page, or of one of its sections."""
    text = (_ROOT / page).read_text()
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [line[2:].partition(" # ")[0].strip() for block in blocks for line in block.splitlines() if line[:2] == "$ "]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Types a command into a shell that finds the stand-ins first; returns the words that the program got."""
    log = tmp_path / "typed.log"
    programs = tmp_path / "stand-ins"
    programs.mkdir()
    shell = shutil.which("bash")
    assert shell
    for program in ("gcloud", "terraform"):
        script = f'exec "{sys.executable}" -I -S "{command_stand_in.__file__}" "{log}" {program} "$@"'
        (programs / program).write_text(f"#!/bin/sh\n{script}\n")
        (programs / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)

    def type_in(command: str, folder: str = ".") -> list[str]:
        done = subprocess.run([shell, "-c", command], cwd=_ROOT / folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return log.read_text().splitlines()[-1].split("\x1f")

    return type_in


@pytest.mark.parametrize(("page", "folder"), _PAGES.items())
def test_every_command_of_gcloud_and_terraform_in_a_page_exists(page: str, folder: str, typed: Typed) -> None:
    of_others = [command for command in _commands(page) if command.startswith(("gcloud ", "terraform "))]

    assert of_others
    for command in of_others:
        typed(command, folder)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("gcloud projects create", "0 positional arguments"),
        ("gcloud projects create my-project --set-as-defualt", "unrecognized arguments: --set-as-defualt"),
        ("gcloud billing projects link my-project", "--billing-account must be specified"),
        ("gcloud storage copy a b", "there is no command"),
        ("terraform -chdir=infra/terraform apply -var project=p", "no value for the required variable deployers"),
        ("terraform -chdir=infra/terraform apply -var porject=p", "a variable named porject is not declared"),
    ],
)
def test_the_stand_ins_refuse_what_does_not_exist_or_is_missing(command: str, said: str, typed: Typed) -> None:
    with pytest.raises(AssertionError, match=said):
        typed(command)


class _Reader:
    """Types the page's commands in their order, and keeps the project on loopback as they leave it."""

    def __init__(self, deployer: Deployer, typed: Typed, patch: pytest.MonkeyPatch) -> None:
        self.cloud = deployer.cloud
        self.ran: list[str] = []  # pagemill's commands with their outputs
        self._typed = typed
        self._patch = patch

    async def type_in(self, command: str) -> None:
        """Type one command, which must succeed."""
        words = shlex.split(command)
        match words:
            case ["make", target]:
                assert f"\n{target}:" in (_ROOT / "Makefile").read_text()
            case ["export", *assignments]:
                for assignment in assignments:
                    self._export(*assignment.split("=", 1))
            case ["pagemill", *arguments]:
                await self._pagemill(arguments)
            case _:
                self._done_by_google(self._typed(command))

    def _export(self, name: str, value: str) -> None:
        if name == "PREFECT_API_URL":
            assert value == _SERVER
            self._patch.setenv(name, str(get_current_settings().api.url))
        elif name != "PATH":
            self._patch.setenv(name, value)

    async def _pagemill(self, arguments: list[str]) -> None:
        deleting = "--delete" in arguments
        asked = await self._invoke(arguments, "\n") if deleting else ""  # it asks again for an empty answer, and ends
        name = re.search(r"type (?:its name|([\w/-]+))", asked)
        ran = await self._invoke(arguments, f"{(name and name[1]) or 'lightonocr'}\n", succeeds=True)
        self.ran.append(f"{' '.join(arguments)}\n{ran}")
        if url := await service_url.published():
            self._patch.setenv("PAGEMILL_IDENTITY_TOKENS_TO", url)  # a service of Google's is below run.app

    async def _invoke(self, arguments: list[str], answer: str, *, succeeds: bool = False) -> str:
        ended = await asyncio.to_thread(CliRunner().invoke, app, arguments, input=answer)
        assert ended.exit_code == 0 or not succeeds, f"pagemill {' '.join(arguments)}\n{ended.output}"
        return ended.output

    def _done_by_google(self, words: list[str]) -> None:
        sources = self.cloud.sources
        match words:
            case ["terraform", _, "apply", *_]:
                sources.create_bucket("my-project-pagemill-documents")
            case ["gcloud", "storage", "cp", path, url]:
                bucket, _, prefix = url.removeprefix("gs://").partition("/")
                sources.put(bucket, prefix + Path(path).name, (_ROOT / path).read_bytes())
            case ["gcloud", "storage", "cat", url]:
                bucket, _, name = url.removeprefix("gs://").partition("/")
                content = sources.get(bucket, name)
                assert content, f"{url} does not exist"
                self.ran.append(content.decode())


@pytest.mark.flow
async def test_the_page_from_zero_leads_from_an_empty_account_to_a_text_and_back(
    deployer: Deployer, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    reader = _Reader(deployer, typed, monkeypatch)
    commands = _commands("docs/deploying.md", "From zero")
    for command in commands:
        await reader.type_in(command)

    smoke, preview, registered, deployed, status, batch, text, deleted = reader.ran
    assert "lightonocr-smoke: the smoke test passed" in smoke
    assert "an instance, an hour" in preview
    assert "concurrency limit" in registered
    assert "LIGHTONOCR_SERVICE_URL=https://" in deployed
    assert re.search(r"lightonocr-\d+-abc +100 % +yes", status)
    assert "1 document, 1 page: 1 ok" in batch
    assert "Invoice" in text
    assert "its URL is no longer published" in deleted
    assert not reader.cloud.run.services
    assert len(reader.cloud.builds.builds) == 2
