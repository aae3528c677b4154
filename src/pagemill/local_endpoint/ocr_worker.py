"""An OCR worker: `python -P -m pagemill.local_endpoint.ocr_worker FD ENGINE [TESSDATA]`. Loads an engine."""

from __future__ import annotations

import importlib
import sys
from functools import partial
from pathlib import Path

from pagemill.config.environment import disable_onnx_telemetry
from pagemill.domain.wording import encodable
from pagemill.local_endpoint.engines import EngineName, find_tessdata
from pagemill.local_endpoint.pictures import decode
from pagemill.local_endpoint.reading import Engine
from pagemill.workers.containment import contain, limit_resources
from pagemill.workers.frames import Message
from pagemill.workers.serving import answer_requests

# An image that needs more is refused, so that the machine does not swap; RapidOCR itself needs one GiB.
_ADDRESS_SPACE_BYTES = 6 * 1024**3
_HARDWARE = (Path("/sys/bus/pci"), Path("/sys/devices"))  # ONNX Runtime looks for GPUs, and warns if it may not


def main() -> None:
    """Load the engine, then read images until the parent is gone."""
    disable_onnx_telemetry()
    limit_resources(address_space_bytes=_ADDRESS_SPACE_BYTES)
    tessdata = Path(sys.argv[3]) if len(sys.argv) > 3 else None  # noqa: PLR2004 -- usage
    # Before the engine is loaded, which may start threads.
    containment = contain([tessdata or find_tessdata() or Path(sys.prefix), *_HARDWARE])
    engine = _load(EngineName(sys.argv[2]), tessdata)
    answer_requests(partial(_answer, engine), containment)


def _load(name: EngineName, tessdata: Path | None) -> Engine:
    # By name: each engine is slow to import, and only one has to be installed.
    module = importlib.import_module(f"pagemill.local_endpoint.{name}_engine")
    engine: Engine = module.load(tessdata)
    return engine


def _answer(engine: Engine, request: Message) -> Message:
    """Read the image that is attached; without one, the request only asks whether the engine is loaded."""
    if not request.attachments:
        return Message({"reading": None})
    picture = decode(request.attachments[0])
    text = encodable(engine.read(picture))
    return Message({"reading": {"text": text, "width_px": picture.width, "height_px": picture.height}})


if __name__ == "__main__":
    main()
