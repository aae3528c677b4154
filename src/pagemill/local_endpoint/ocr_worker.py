"""An OCR worker: `python -P -m pagemill.local_endpoint.ocr_worker FD ENGINE [TESSDATA]`. Loads an engine."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from pathlib import Path

from pagemill.config.environment import disable_onnx_telemetry
from pagemill.local_endpoint.engines import EngineName
from pagemill.local_endpoint.pictures import decode
from pagemill.local_endpoint.reading import Engine, Reading
from pagemill.worker_process import answer_requests, confine

# An image that needs more is refused, so that the machine does not swap; RapidOCR itself needs one GiB.
_ADDRESS_SPACE_BYTES = 6 * 1024**3


def main() -> None:
    """Load the engine, then read images until the parent is gone."""
    disable_onnx_telemetry()
    confine(address_space_bytes=_ADDRESS_SPACE_BYTES)
    engine = _load(EngineName(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)  # noqa: PLR2004 -- usage
    answer_requests(partial(_answer, engine))


def _load(name: EngineName, tessdata: Path | None) -> Engine:
    # By name: each engine is slow to import, and only one has to be installed.
    module = importlib.import_module(f"pagemill.local_endpoint.{name}_engine")
    engine: Engine = module.load(tessdata)
    return engine


def _answer(engine: Engine, image: bytes | None) -> Reading | None:
    """Read an image; None only asks whether the engine is loaded."""
    if image is None:
        return None
    picture = decode(image)
    return Reading(engine.read(picture), picture.width, picture.height)


if __name__ == "__main__":
    main()
