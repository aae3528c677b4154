"""`pagemill watch`, from its settings to a run on a real Prefect server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner, Result

from pagemill.cli.main import app
from pagemill.flows.ocr_batch import ocr_batch
from pagemill.flows.watch_uploads import watch_uploads
from pagemill.orchestration.uploads import wiring
from pagemill.orchestration.uploads.parameters import WatchParameters
from tests.fakes.pubsub import FakePubSub


@pytest.fixture
def pubsub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakePubSub]:
    """A subscription that the command finds by itself, as it does all the rest."""
    with FakePubSub() as fake:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", fake.host)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
        monkeypatch.setenv("PAGEMILL_WATCH_SUBSCRIPTION", "uploads")
        monkeypatch.setenv("PAGEMILL_WATCH_DESTINATION", str(tmp_path / "out"))
        yield fake


async def _deploy(url: str) -> None:
    async with PrefectClient(url) as client:
        await client.create_deployment(await client.create_flow(ocr_batch), "on-upload")


def _watch(*options: str) -> Result:
    return CliRunner().invoke(app, ["watch", *options])


@pytest.mark.flow
def test_uploads_become_a_run_and_the_first_signal_ends_the_watcher_in_order(
    prefect_api_url: str, pubsub: FakePubSub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PAGEMILL_WATCH_DOCUMENTS", "2")
    asyncio.run(_deploy(prefect_api_url))
    for name in ("a.pdf", "b.pdf", "notes.txt"):
        pubsub.uploaded("scans", name, 7)
    signalled = threading.Thread(target=_signal_when_settled, args=[pubsub])
    signalled.start()

    ended = _watch()
    signalled.join()

    assert ended.exit_code == 130, ended.output
    (written,) = (tmp_path / "out").rglob("*.txt")
    assert written.read_text().splitlines()[1:] == ["gs://scans/a.pdf\t7", "gs://scans/b.pdf\t7"]
    assert f"reads {written}" in ended.stderr
    assert "passed over, no PDF: gs://scans/notes.txt" in ended.stderr
    assert "interrupted; uploads that no run reads yet are delivered again" in ended.stderr


def _signal_when_settled(pubsub: FakePubSub) -> None:
    pubsub.wait_until("settled")
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_api_url")
async def test_the_flow_is_the_same_watcher_and_its_state_says_what_it_has_done(
    pubsub: FakePubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "_MINUTE", 0.001)
    pubsub.uploaded("scans", "notes.txt", 7)

    state = await watch_uploads(WatchParameters(minutes=1), return_state=True)

    assert state.is_completed()
    assert "0 uploads in 0 runs" in str(state.message)


def test_without_a_prefect_server_it_says_what_to_type(pubsub: FakePubSub) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):  # an earlier test of this process may have one
        ended = _watch()

    assert ended.exit_code == 2
    assert "no Prefect server is configured" in ended.stderr
    assert not pubsub.calls


def test_without_settings_it_names_them() -> None:
    ended = _watch("--subscription", "uploads")

    assert ended.exit_code == 2
    assert "give --subscription and --destination" in ended.stderr


def test_without_the_extra_it_says_so_in_one_line(pubsub: FakePubSub) -> None:
    assert pubsub.host
    code = (
        "import sys; sys.modules['google.pubsub_v1'] = None; from pagemill.__main__ import main;"
        "sys.argv = ['pagemill', 'watch']; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "pagemill: pagemill watch needs libraries that are not installed; type: pip install 'pagemill[watch]'"
    ]
