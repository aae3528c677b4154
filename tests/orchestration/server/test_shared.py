"""A Prefect server that cannot be used is named before a run begins, with the place that its URL comes from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.context import SettingsContext
from prefect.exceptions import Abort, ObjectNotFound
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    Profile,
    get_current_settings,
    temporary_settings,
)

from pagemill.cli.main import main
from pagemill.errors import UsageError
from pagemill.orchestration.server.shared import check_server, server_errors_named


@asynccontextmanager
async def _server(answer: bytes) -> AsyncIterator[str]:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", "answers 404; its API is usually below /api"),
        (b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n", "answers 401"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "does not answer as Prefect's API does"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer"),
    ],
    ids=["another server", "a password is missing", "a page for people", "no HTTP"],
)
async def test_what_is_no_prefect_server_is_named(answer: bytes, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "set")
    async with _server(answer) as url:
        settings = {PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}
        with temporary_settings(settings), pytest.raises(UsageError) as error:
            await check_server()

    assert f"{url} {problem}" in str(error.value)
    assert "comes from the variable PREFECT_API_URL" in str(error.value)


@pytest.mark.parametrize("url", ["nonsense", "ftp://x/api", "http://127.0.0.1:99999/api", "http:///api"])
async def test_what_is_no_url_is_named_without_a_request(url: str) -> None:
    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(UsageError, match="Prefect server's URL, from"):
        await check_server()


async def test_a_password_in_the_url_is_not_printed() -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://me:secret@127.0.0.1:9/api"}),
        pytest.raises(UsageError, match=r"http://127\.0\.0\.1:9/api does not answer") as error,
    ):
        await check_server()

    assert "secret" not in str(error.value)


async def test_a_profile_is_named_if_the_url_is_its() -> None:
    there: dict[Any, Any] = {PREFECT_API_URL: "http://127.0.0.1:9/api"}
    with temporary_settings(there):
        settings = get_current_settings()
    profile = Profile(name="production", settings=there, source=Path("x"))

    with SettingsContext(profile=profile, settings=settings), pytest.raises(UsageError) as error:
        await check_server()

    assert "comes from Prefect's profile 'production' in " in str(error.value)


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("refused"), httpx.InvalidURL("port"), ObjectNotFound(Exception("gone")), Abort("the run")],
    ids=lambda error: type(error).__name__,
)
def test_errors_of_prefects_client_are_the_servers(error: BaseException) -> None:
    with pytest.raises(UsageError, match="does not answer as expected"), server_errors_named():
        raise error


@pytest.mark.parametrize("command", [["run", "in", "out"], ["run", "in", "out", "--dry-run"], ["register"], ["doctor"]])
def test_every_command_that_needs_a_server_that_is_away_ends_with_2_and_says_so(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert main(command) == 2

    said = "".join(capsys.readouterr())
    assert "the Prefect server http://127.0.0.1:9/api does not answer: " in said
    assert "defect" not in said
