"""Fixtures that several parts of the suite share."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.auth.compute_engine import _metadata
from google.cloud import storage
from hypothesis import HealthCheck, settings
from reportlab import rl_config

from pagemill.storage.gcs import client as gcs
from tests.fakes.gcs import FakeGcs
from tests.fakes.google_cloud.canary_texts import canary_texts
from tests.fakes.google_cloud.cloud import DEPLOYER, GoogleCloud
from tests.fakes.metadata_server import MetadataServer

MadeOnce = Callable[[str, Callable[[Path], None]], Path]

_EMULATORS = tuple(
    f"{of}_EMULATOR_" for of in ("ARTIFACTREGISTRY", "CLOUDBUILD", "LOGGING", "MONITORING", "PROJECT", "PUBSUB", "RUN")
)
_OURS = ("PAGEMILL_", "LIGHTONOCR_", "PREFECT_", "TESSDATA_", "STORAGE_", "GOOGLE_", *_EMULATORS)

# Read by Prefect when it is imported.
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
# One authority instead of all that are known: reading those takes longer than most tests do, for each client.
os.environ["SSL_CERT_FILE"] = str(Path(__file__).parent / "fakes" / "authority.pem")
# A test that wants a server says so; one that would start its own in passing fails at once.
os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"

# Images of test PDFs as they are: ReportLab's encoding of them as text is written in Python, and takes seconds.
rl_config.useA85 = 0

# How long an example takes says something of the machine only.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


# Fixtures that start a Prefect server once a process: the tests that use one run in one process (`--dist loadgroup`).
# The first one that a test uses counts: deployments take so long that they have a server, and a process, of their own.
# Groups start in this order: those that take long first.
_SERVERS = ("shared_compose_server", "shared_lasting_server", "deployer", "prefect_api_url", "shared_server")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests by their server. Start the longest first: no process is left alone with a long one at the end."""
    for item in items:
        used = [fixture for fixture in _SERVERS if fixture in getattr(item, "fixturenames", ())]
        if used and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(used[0]))

    def order(item: pytest.Item) -> tuple[int, float]:
        group, limit = item.get_closest_marker("xdist_group"), item.get_closest_marker("timeout")
        place = _SERVERS.index(group.args[0]) if group and group.args[0] in _SERVERS else len(_SERVERS)
        return place, -float(limit.args[0]) if limit else 0.0

    items.sort(key=order)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the machine reaches a test, and no variable that a test's code sets reaches the next test."""
    before = set(os.environ)
    for name in before:
        if name.startswith(_OURS) and name not in {"PREFECT_HOME", "PREFECT_SERVER_ANALYTICS_ENABLED"}:
            monkeypatch.delenv(name)
    yield
    for name in os.environ.keys() - before:
        del os.environ[name]


@pytest.fixture
def importable_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers find `tests.fakes`, although they import nothing from the current folder."""
    folder = tmp_path / "importable"
    folder.mkdir()
    (folder / "tests").symlink_to(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> MadeOnce:
    """Makes a file or folder for all of xdist's workers: the first one that asks makes it, others wait for it."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent

    def made(name: str, make: Callable[[Path], None]) -> Path:
        path = folder / f"once-{name}" / name
        path.parent.mkdir(exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                make(path)
        return path

    return made


@pytest.fixture(scope="session")
def prefect_database(made_once: MadeOnce) -> Path:
    """An SQLite file with a Prefect server's tables and nothing in them, of which servers begin with a copy."""
    from tests.fakes.prefect_server import make_database  # noqa: PLC0415 -- takes seconds

    return made_once("prefect.db", make_database)


@pytest.fixture(scope="session")
def prefect_api_url(tmp_path_factory: pytest.TempPathFactory, prefect_database: Path) -> Iterator[str]:
    """The URL of a Prefect server of the suite's own; flows in this process use it by themselves."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings  # noqa: PLC0415 -- takes seconds
    from prefect.utilities.asyncutils import run_coro_as_sync  # noqa: PLC0415

    from tests.fakes.prefect_server import PrefectServer, send_what_is_queued  # noqa: PLC0415

    home = tmp_path_factory.mktemp("prefect")
    server = PrefectServer(home, database=prefect_database)
    try:
        asyncio.run(server.start())
        with temporary_settings({PREFECT_HOME: home, PREFECT_API_URL: server.url}):
            asyncio.run(_register(server.url))
            yield server.url
            run_coro_as_sync(send_what_is_queued())
    finally:
        server.kill()


async def _register(url: str) -> None:
    from prefect.client.orchestration import PrefectClient  # noqa: PLC0415 -- takes seconds

    from pagemill.orchestration.slots.limit import ensure_limit  # noqa: PLC0415

    async with PrefectClient(url) as client:  # so many slots that a killed run's do not keep later tests waiting
        await ensure_limit(client, "lightonocr-endpoint", 64)


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGcs]:
    """A Google Cloud Storage of the test's own, which the real client finds by itself."""
    with FakeGcs() as fake:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", fake.url)
        yield fake


@pytest.fixture
def gcs_client(google: FakeGcs) -> Iterator[storage.Client]:
    """The real client, talking to the fake."""
    assert google.url
    client = gcs.open_client("")
    yield client
    client.close()


@pytest.fixture
def samples() -> Path:
    """The bundled PDFs."""
    return Path(__file__).parent / "samples"


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """The true text of every canary page, by image."""
    return canary_texts()


@pytest.fixture
def cloud(
    google: FakeGcs, texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GoogleCloud]:
    """A project without a service, which the real clients find by themselves."""
    with MetadataServer(email=DEPLOYER) as signer, GoogleCloud(signer, google, tmp_path) as made:
        made.run.texts = texts
        monkeypatch.setenv("GCE_METADATA_HOST", signer.host)
        monkeypatch.setenv("GCE_METADATA_IP", signer.host)
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", signer.host)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
        monkeypatch.setenv("PAGEMILL_SERVICE_POLL_SECONDS", "0.02")
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made
