"""The program `pagemill`, also as `python -m pagemill`."""

from __future__ import annotations

import sys

from pagemill.config.import_path import leave_out_current_folder

_INTERRUPTED = 130


def main() -> None:
    """Run the command line, without executing anything in the current folder."""
    leave_out_current_folder()
    import signal  # noqa: PLC0415 -- from here on, imports are safe

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, also while modules are imported
    try:
        from pagemill.cli.leaving import leave  # noqa: PLC0415
        from pagemill.cli.main import main as run  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    leave(run())


if __name__ == "__main__":
    main()
