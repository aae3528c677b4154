from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from pagemill.errors import PageUnreadable, WorkerLost
from pagemill.workers.process import WorkerProcess
from tests.fakes.errands import ask

pytestmark = pytest.mark.usefixtures("importable_tests")


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess("tests.fakes.errand_worker", [str(2**31)])
    yield process
    process.kill()


def test_a_worker_answers_one_request_after_the_other(worker: WorkerProcess) -> None:
    assert [ask(worker, "double", n) for n in (1, 2, 3)] == [2, 4, 6]


def test_an_error_of_the_handler_is_raised_in_the_parent_and_the_worker_continues(worker: WorkerProcess) -> None:
    with pytest.raises(PageUnreadable, match="torn"):
        ask(worker, "refuse", "torn")

    assert ask(worker, "double", 4) == 8


def test_a_segmentation_fault_is_reported_by_its_name(worker: WorkerProcess) -> None:
    with pytest.raises(WorkerLost, match="SIGSEGV"):
        ask(worker, "segfault")


def test_an_exit_is_reported_with_its_status(worker: WorkerProcess) -> None:
    with pytest.raises(WorkerLost, match="status 7"):
        ask(worker, "exit", 7)


def test_a_worker_that_takes_too_long_is_killed(worker: WorkerProcess) -> None:
    ask(worker, "double", 1)

    with pytest.raises(WorkerLost, match=r"longer than 0\.05 s"):
        ask(worker, "hang", timeout_seconds=0.05)

    assert not psutil.pid_exists(worker.pid)


class _WatchedConnection:
    """A worker's connection that takes a moment to notice that there is something to read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.waited_for, self._closed = threading.Event(), threading.Event()
        self.closed_while_waited_for = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def recv_into(self, buffer: memoryview) -> int:
        """Wait, and go on waiting for a moment."""
        self.waited_for.set()
        size = self._connection.recv_into(buffer)
        self.closed_while_waited_for = self._closed.wait(0.1)
        return size

    def close(self) -> None:
        """Close it."""
        self._closed.set()
        self._connection.close()


def test_no_connection_is_closed_while_a_call_waits_for_it(worker: WorkerProcess) -> None:
    """Its number would soon be another file's, for which the call would wait instead."""
    ask(worker, "double", 1)
    watched = _WatchedConnection(worker._connection)  # noqa: SLF001 -- what another thread does with it
    worker._connection = watched  # type: ignore[assignment] # noqa: SLF001

    with ThreadPoolExecutor(1) as thread:
        calling = thread.submit(ask, worker, "hang")
        assert watched.waited_for.wait(30)
        worker.kill()
        error = calling.exception(timeout=30)

    assert isinstance(error, WorkerLost)
    assert "SIGKILL" in str(error)
    assert not watched.closed_while_waited_for


def test_a_call_to_a_worker_that_is_killed_before_it_is_ready_ends() -> None:
    late = WorkerProcess("tests.fakes.late_worker", ["3600"])

    with ThreadPoolExecutor(1) as thread:
        calling = thread.submit(ask, late, "double", 21)
        late.kill()

        assert isinstance(calling.exception(timeout=30), WorkerLost)


def test_a_worker_that_was_killed_takes_no_call_and_may_be_killed_again(worker: WorkerProcess) -> None:
    worker.kill()
    worker.kill()

    with pytest.raises(WorkerLost):
        ask(worker, "double", 1)


def test_the_clock_of_a_call_starts_when_the_worker_is_ready() -> None:
    late = WorkerProcess("tests.fakes.late_worker", ["2.0"])

    assert ask(late, "double", 21, timeout_seconds=1.5) == 42

    late.kill()


def test_a_worker_that_is_never_ready_is_killed_and_reported_as_such() -> None:
    stuck = WorkerProcess("tests.fakes.late_worker", ["3600"], start_seconds=0.05)

    with pytest.raises(WorkerLost, match=r"not ready 0\.05 s after its start"):
        ask(stuck, "double", 21)

    assert not psutil.pid_exists(stuck.pid)


def test_a_worker_that_dies_before_it_is_ready_is_reported_as_such() -> None:
    broken = WorkerProcess("tests.fakes.late_worker", ["soon"])

    with pytest.raises(WorkerLost, match="status 1 before it was ready"):
        ask(broken, "double", 21)


def test_a_worker_that_needs_more_memory_than_its_limit_says_so(worker: WorkerProcess) -> None:
    with pytest.raises(MemoryError):
        ask(worker, "allocate", 2**32)


def test_a_lower_limit_that_is_in_force_is_said() -> None:
    confining = "from pagemill.workers.containment import limit_resources; limit_resources(address_space_bytes=2**31)"
    command = ["bash", "-c", 'ulimit -v 1000000; exec "$0" -c "$1"', sys.executable, confining]

    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr == "a worker needs 2 GiB of address space, and this process may have less: see `ulimit -v`\n"


def test_workers_do_not_outlive_a_parent_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.errand_parent"], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)

        _, alive = psutil.wait_procs([worker], timeout=30)

    assert not alive


def test_workers_do_not_import_the_parents_main_module(worker: WorkerProcess) -> None:
    loaded = ask(worker, "modules")

    assert not {"pytest", "prefect"} & set(loaded)
    assert os.getpid() != worker.pid
