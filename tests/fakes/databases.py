"""A PostgreSQL and a Redis of a test's own, from Debian's packages: on loopback, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import IO

import pytest

from tests.fakes.ports import reserved_port

_PACKAGES = {"initdb": "postgresql", "postgres": "postgresql", "redis-server": "redis-server"}
_BESIDES_PATH = "/usr/lib/postgresql"  # where Debian puts each version's programs
_QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")  # it need not outlive a power failure


def require_databases() -> None:
    """Skip the test where there is no PostgreSQL or Redis; in CI that is a failure.

    Raises:
        RuntimeError: In CI.
    """
    missing = sorted({package for name, package in _PACKAGES.items() if _found(name) is None})
    if not missing:
        return
    reason = f"needs {' and '.join(missing)}; on Debian type: apt-get install {' '.join(missing)}"
    if os.environ.get("CI") == "true":
        raise RuntimeError(reason)
    pytest.skip(reason)


@contextlib.contextmanager
def running_postgres(*, begins_with: Path | None = None, leaves: Path | None = None) -> Iterator[int]:
    """Start PostgreSQL; whoever connects as `postgres` may do everything.

    Args:
        begins_with: A folder that an earlier one left; None: it is empty.
        leaves: Where to keep what is in it when it has stopped.

    Yields:
        Its port.
    """
    with _folder("postgres") as (folder, user), reserved_port() as port:
        data = folder / "data"
        if begins_with:
            subprocess.run(["cp", "--archive", str(begins_with), str(data)], check=True)  # noqa: S607 -- anybody's `cp`
        else:
            _initialise(data, user)
        settings = (f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *_QUICK)
        options = [option for setting in settings for option in ("-c", setting)]
        command = [_program("postgres"), "-D", str(data), *options]
        stop = signal.SIGINT if leaves else signal.SIGQUIT  # tidily, or at once
        with _running(command, user, folder, says="ready to accept connections", stop=stop):
            yield port
        if leaves:
            subprocess.run(["cp", "--archive", str(data), str(leaves)], check=True)  # noqa: S607 -- as above


def _initialise(data: Path, user: int) -> None:
    options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
    command = [_program("initdb"), *options, str(data)]
    subprocess.run(command, user=user, cwd=data.parent, check=True, capture_output=True)


@contextlib.contextmanager
def running_redis() -> Iterator[int]:
    """Start Redis, which keeps everything in memory.

    Yields:
        Its port.
    """
    with _folder("redis") as (folder, user), reserved_port() as port:
        where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
        command = [_program("redis-server"), *where, "--save", ""]
        with _running(command, user, folder, says="Ready to accept connections", stop=signal.SIGTERM):
            yield port


@contextlib.contextmanager
def _folder(owner: str) -> Iterator[tuple[Path, int]]:
    """A folder that is not below any of pytest's, which only their owner may enter, and whose it is.

    PostgreSQL refuses to run as root.
    """
    folder = Path(tempfile.mkdtemp(prefix="pagemill-"))
    try:
        user = os.geteuid()
        if user == 0:
            user = _uid(owner) or _uid("nobody") or 65534
            os.chown(folder, user, -1)
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _running(command: Sequence[str], user: int, folder: Path, *, says: str, stop: signal.Signals) -> Iterator[None]:
    """Start a program, wait until it says that it runs, and stop it."""
    with subprocess.Popen(
        command, user=user, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        said: deque[str] = deque(maxlen=20)
        try:
            for line in process.stdout:
                said.append(line)
                if says in line:
                    break
            else:
                raise RuntimeError(f"{command[0]} does not start: {''.join(said)}")
            Thread(target=_read_on, args=(process.stdout,), daemon=True).start()
            yield
        finally:
            process.send_signal(stop)


def _read_on(output: IO[str]) -> None:
    """A program whose output nobody reads stands still."""
    with contextlib.suppress(ValueError):
        for _ in output:
            pass


def _program(name: str) -> str:
    found = _found(name)
    assert found, name
    return found


def _found(name: str) -> str | None:
    folders = sorted(Path(_BESIDES_PATH).glob("*/bin"), reverse=True)
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, folders)))


def _uid(name: str) -> int | None:
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name).pw_uid
    return None
