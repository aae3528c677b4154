"""What a worker may not do any more when it reads what strangers made."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pagemill.errors import WorkerFault, WorkerLost
from pagemill.workers import containment, seccomp
from pagemill.workers.containment import Containment
from pagemill.workers.process import WorkerProcess
from tests.fakes.errands import ask

_LANDLOCK, _SECCOMP = "files", "network"
_SHARED: list[WorkerProcess] = []  # for tests of what it may not do, after which it goes on
_HEADERS = {
    "x86_64": (0, Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")),
    "aarch64": (1, Path("/usr/include/asm-generic/unistd.h")),
}

Refused = Callable[..., str]


def _start() -> WorkerProcess:
    return WorkerProcess("tests.fakes.errand_worker", [str(2**31), "contained"])


@pytest.fixture(scope="module", autouse=True)
def stop_shared() -> Iterator[None]:
    yield
    while _SHARED:
        _SHARED.pop().kill()


@pytest.fixture
def worker(importable_tests: None) -> WorkerProcess:
    del importable_tests
    if not _SHARED:
        _SHARED.append(_start())
        ask(_SHARED[0], "double", 1)
    return _SHARED[0]


@pytest.fixture
def refused(worker: WorkerProcess) -> Refused:
    """Have the contained worker do an errand that must fail; return why it failed."""

    def reason(means: str, what: str, argument: object = None) -> str:
        assert worker.containment
        for lacking in worker.containment.missing:
            if lacking.startswith(means):
                pytest.skip(lacking)
        with pytest.raises(WorkerFault) as failure:
            ask(worker, what, argument)
        return str(failure.value)

    return reason


def test_a_worker_inherits_no_secret(importable_tests: None, monkeypatch: pytest.MonkeyPatch) -> None:
    del importable_tests
    secrets = (
        *("GOOGLE_APPLICATION_CREDENTIALS", "PAGEMILL_API_KEY", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING"),
        *("AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "https_proxy", "DATABASE_URL", "SSH_AUTH_SOCK", "LC", "PYTHON_TOKEN"),
    )
    for name in secrets:
        monkeypatch.setenv(name, f"the secret {name}")
    monkeypatch.setenv("LC_CTYPE", "C.UTF-8")
    monkeypatch.setenv("TESSDATA_PREFIX", "/language/data")
    worker = _start()

    seen = ask(worker, "environment")

    worker.kill()
    assert not set(secrets) & set(seen)
    assert not [value for value in seen.values() if "secret" in value]
    assert (seen["LC_CTYPE"], seen["TESSDATA_PREFIX"], seen["OMP_NUM_THREADS"]) == ("C.UTF-8", "/language/data", "1")


def test_a_worker_opens_no_connection(refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "PermissionError" in refused(_SECCOMP, "connect", server.getsockname()[1])


def test_a_worker_sends_no_datagram(refused: Refused) -> None:
    assert "PermissionError" in refused(_SECCOMP, "send", 53)


def test_a_worker_reaches_no_service_of_the_machine(refused: Refused, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(tmp_path / "s"))
        service.listen()
        assert "PermissionError" in refused(_SECCOMP, "connect to a socket file", str(tmp_path / "s"))


@pytest.mark.parametrize("name", ["new", "old"])
def test_a_worker_writes_no_file(refused: Refused, tmp_path: Path, name: str) -> None:
    (tmp_path / "old").write_text("as it was")

    assert "PermissionError" in refused(_LANDLOCK, "write", str(tmp_path / name))

    assert {path.name: path.read_text() for path in tmp_path.glob("*") if path.is_file()} == {"old": "as it was"}


def test_a_worker_removes_no_file(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch()

    assert "PermissionError" in refused(_LANDLOCK, "remove", str(tmp_path / "a.pdf"))

    assert (tmp_path / "a.pdf").exists()


def test_a_worker_changes_no_mode(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").touch(0o600)

    assert "PermissionError" in refused(_SECCOMP, "chmod", str(tmp_path / "a.pdf"))

    assert (tmp_path / "a.pdf").stat().st_mode & 0o777 == 0o600


def test_a_worker_reads_no_document_by_name(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "another.pdf").write_text("of somebody else")

    assert "PermissionError" in refused(_LANDLOCK, "read", str(tmp_path / "another.pdf"))


@pytest.mark.parametrize("file", ["environ", "mem", "fd/0"])
def test_a_worker_does_not_see_what_its_parent_has(refused: Refused, file: str) -> None:
    assert "PermissionError" in refused(_LANDLOCK, "read", f"/proc/{os.getpid()}/{file}")


@pytest.mark.parametrize("file", ["/etc/passwd", "/proc/1/cmdline"])
def test_a_worker_reads_nothing_of_the_machine(refused: Refused, file: str) -> None:
    assert "PermissionError" in refused(_LANDLOCK, "read", file)


def test_a_worker_starts_no_program(refused: Refused) -> None:
    assert "PermissionError" in refused(_SECCOMP, "run", "/bin/true")


def test_a_worker_starts_no_process(refused: Refused) -> None:
    assert "PermissionError" in refused(_SECCOMP, "fork")


def test_a_worker_sends_no_signal(refused: Refused) -> None:
    assert "PermissionError" in refused(_SECCOMP, "kill", os.getpid())


def test_a_worker_prints_nothing(worker: WorkerProcess, capfd: pytest.CaptureFixture[str]) -> None:
    ask(worker, "print", "\x1b]0;what a terminal obeys\x07")

    assert capfd.readouterr().err == ""


def test_a_contained_worker_reads_what_python_may_still_load(worker: WorkerProcess) -> None:
    assert ask(worker, "read", str(Path(sys.prefix) / "pyvenv.cfg"))


def test_a_contained_worker_that_aborts_is_reported_by_its_signal(importable_tests: None) -> None:
    del importable_tests

    with pytest.raises(WorkerLost, match="SIGABRT"):
        ask(_start(), "abort")


@pytest.mark.parametrize("machine", _HEADERS)
def test_the_numbers_of_system_calls_are_those_of_linux(machine: str) -> None:
    index, header = _HEADERS[machine]
    if not header.exists():
        pytest.skip(f"needs {header}: apt-get install linux-libc-dev")
    known = {
        name: int(number)
        for name, number in re.findall(r"__NR(?:3264)?_(\w+)\s+(\d+)$", header.read_text(), re.MULTILINE)
    }
    named = {**seccomp.REFUSED, **seccomp.ONLY_THIS_PROCESS}
    named |= dict([seccomp.PRLIMIT, seccomp.CLONE, seccomp.CLONE3])

    wrong = {
        name: numbers[index]
        for name, numbers in named.items()
        if numbers[index] is not None and known.get(name, numbers[index]) != numbers[index]
    }

    assert wrong == {}
    assert len(named.keys() & known.keys()) > 30


def _in_a_process(program: str) -> str:
    return subprocess.check_output([sys.executable, "-c", program], text=True, timeout=120)


def test_without_landlock_a_worker_works_and_says_what_is_missing() -> None:
    program = """
from pagemill.workers import containment, landlock
landlock._CREATE_RULESET = 1023  # a call that this kernel lacks, too
found = containment.contain()
print(found.denied, found.missing)
"""

    said = _in_a_process(program)

    assert "Landlock is not available (Function not implemented)" in said
    assert "(seccomp)" in said


def test_each_version_of_landlock_up_to_this_kernels_takes_files_away() -> None:
    program = """
import os, pathlib
from pagemill.workers import containment, landlock
try:
    newest = landlock.version()
except OSError as error:
    raise SystemExit(error.strerror)
for version in range(1, newest + 1):
    if not os.fork():
        landlock.version = lambda: version
        containment.contain()
        try:
            pathlib.Path('/etc/passwd').read_bytes()
        except PermissionError:
            os._exit(0)
        os._exit(1)
    print(version, os.wait()[1])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"no Landlock in this kernel: {done.stderr.strip()}")

    assert [line.split()[1] for line in done.stdout.splitlines()] == ["0"] * len(done.stdout.splitlines())
    assert done.stdout


def test_a_system_with_neither_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert containment.contain().missing == ("network, programs, files: this system has neither seccomp nor Landlock",)


def test_a_system_without_a_limit_of_the_address_space_gets_none() -> None:
    program = """
import sys
sys.platform = 'darwin'
from pagemill.workers import containment
containment.limit_resources(address_space_bytes=2**20)
print(len(bytearray(2**24)), containment.contain().missing)
"""

    assert "memory: this system has no limit of the address space" in _in_a_process(program)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (Containment(("files (A)", "network (B)")), "workers have no files (A) and no network (B)"),
        (Containment(("network (B)",), ("files: why",)), "workers have no network (B); not contained: files: why"),
        (
            Containment((), ("files: why", "memory: why")),
            "nothing contains the workers; not contained: files: why; memory: why",
        ),
    ],
)
def test_what_contains_workers_is_one_line(found: Containment, line: str) -> None:
    assert found.described() == line


def test_a_worker_that_is_root_has_none_of_its_powers() -> None:
    if os.getuid():
        pytest.skip("this test needs to be root")
    program = """
import os
from pagemill.workers import containment
containment.contain()
try:
    os.setuid(65534)
except PermissionError as error:
    print(error.strerror)
"""

    assert _in_a_process(program) == "Operation not permitted\n"


def test_a_worker_fills_no_disk(tmp_path: Path) -> None:
    program = f"""
import pathlib
from pagemill.workers import containment
containment.limit_resources(address_space_bytes=2**32, largest_file_bytes=1000)
try:
    pathlib.Path({str(tmp_path / "copy")!r}).write_bytes(bytes(2000))
except OSError as error:
    print(error.strerror)
"""

    assert _in_a_process(program) == "File too large\n"
    assert (tmp_path / "copy").stat().st_size <= 1000


@pytest.mark.parametrize(("limit", "in_force"), [("500", "512000"), ("unlimited", "1000000")])
def test_a_lower_limit_of_files_stays_in_force(limit: str, in_force: str) -> None:
    program = """
import resource
from pagemill.workers import containment
containment.limit_resources(address_space_bytes=2**32, largest_file_bytes=1000000)
print(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
"""
    command = ["bash", "-c", f'ulimit -f {limit}; exec "$0" -c "$1"', sys.executable, program]

    assert subprocess.check_output(command, text=True).strip() == in_force


def test_threads_that_a_filter_does_not_reach_are_told() -> None:
    program = """
import threading
from pagemill.workers import containment
end = threading.Event()
threading.Thread(target=end.wait, daemon=True).start()
print(containment.contain().missing)
"""

    assert "1 thread that ran before" in _in_a_process(program)
