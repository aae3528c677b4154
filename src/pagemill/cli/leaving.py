"""The end of the process. Prefect then sends what it has queued, which may take for ever if its server is away."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import NoReturn

_MOST_SECONDS = 60.0
_IN_VAIN_SECONDS = 3.0

_nobody_listens = threading.Event()


def do_not_wait() -> None:
    """Leave soon: the run was interrupted, or the Prefect server does not answer any more."""
    _nobody_listens.set()


def leave(code: int) -> NoReturn:
    """End the process with an exit code: at the latest after a minute, and at once after a signal."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(code))
    seconds = _IN_VAIN_SECONDS if _nobody_listens.is_set() else _MOST_SECONDS
    timer = threading.Timer(seconds, os._exit, [code])
    timer.daemon = True
    timer.start()
    sys.exit(code)
