"""A machine where nobody is logged in, a metadata server that signs, and a proxy that verifies."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import stamina
from google.auth import _exponential_backoff
from google.auth.compute_engine import _metadata

from pagemill.ocr.identity.auth import IdTokenAuth
from tests.fakes.iam_proxy import IamProxy
from tests.fakes.metadata_server import MetadataServer
from tests.fakes.ocr_endpoint import FakeEndpoint

Gcloud = Callable[[str], None]  # installs a gcloud that is this shell script
IDENTITY = "/computeMetadata/v1/instance/service-accounts/default/identity"
NOBODY = "127.0.0.1:9"


@dataclass
class Clock:
    """Wall clock time that tests move."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signer(clock: Clock) -> Iterator[MetadataServer]:
    with MetadataServer(clock=clock) as server:
        yield server


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine that is not on Google Cloud, without any login, and without waiting between attempts."""
    (tmp_path / "gcloud").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("K_SERVICE", "CLOUD_RUN_JOB", "CLOUD_RUN_EXECUTION", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    set_metadata_server(monkeypatch, NOBODY)
    monkeypatch.setattr(_exponential_backoff._BaseExponentialBackoff, "_calculate_jitter", lambda _: 0.0)  # noqa: SLF001
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def on_google_cloud(monkeypatch: pytest.MonkeyPatch, signer: MetadataServer) -> MetadataServer:
    """A machine whose metadata server is `signer`."""
    monkeypatch.setenv("GCE_METADATA_HOST", signer.host)
    set_metadata_server(monkeypatch, signer.host)
    return signer


@pytest.fixture
async def door(signer: MetadataServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[IamProxy]:
    async with FakeEndpoint() as endpoint, IamProxy(endpoint.url, signer, tmp_path) as door:
        monkeypatch.setenv("SSL_CERT_FILE", str(door.ca_file))
        yield door


@pytest.fixture
def gcloud(tmp_path: Path) -> Gcloud:
    def install(script: str) -> None:
        program = tmp_path / "bin/gcloud"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return install


def set_metadata_server(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Point google-auth, which reads the one variable when it is imported, to a metadata server."""
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", host)
    monkeypatch.setenv("GCE_METADATA_IP", host)


@asynccontextmanager
async def client_with(auth: IdTokenAuth) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(auth=auth) as client:
        yield client
