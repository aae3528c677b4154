"""`python -m pagemill.local_endpoint`: the embedded OCR service as a process of its own."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn

from pagemill.errors import PagemillError, UsageError
from pagemill.extras import needs
from pagemill.local_endpoint.engines import SERVICE

_FAILED, _USAGE_ERROR, _INTERRUPTED, _TERMINATED = 1, 2, 130, 143


def main() -> int:
    """Serve until told to stop; return the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with needs("local", SERVICE):
            from pagemill.local_endpoint.serving import serve  # noqa: PLC0415 -- it may be missing
        serve(**vars(_arguments()))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except PagemillError as error:
        sys.stderr.write(f"pagemill: {error}\n")
        return _USAGE_ERROR if isinstance(error, UsageError) else _FAILED
    return 0


def _terminate(*_: object) -> NoReturn:
    sys.exit(_TERMINATED)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pagemill.local_endpoint", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (%(default)s)")
    parser.add_argument("--engine", default="auto", help="auto, rapidocr or tesseract (%(default)s)")
    parser.add_argument("--workers", type=_positive, help="pages read at a time (one for each core)")
    parser.add_argument("--tessdata", type=Path, metavar="FOLDER", help="Tesseract's language data")
    parser.add_argument(
        "--served-model-name", dest="model", metavar="NAME", help="model to answer to (the engine, with its version)"
    )
    parser.add_argument("--lifeline", action="store_true", help="stop when standard input ends")
    return parser.parse_args()


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
