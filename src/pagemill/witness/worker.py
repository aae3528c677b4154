"""The main module of a witness worker: `python -P -m pagemill.witness.worker FD`."""

from __future__ import annotations

from pathlib import Path

from pagemill.config.environment import disable_onnx_telemetry
from pagemill.witness.looking import Looker
from pagemill.workers.containment import contain, limit_resources
from pagemill.workers.frames import Message
from pagemill.workers.serving import answer_requests

_ADDRESS_SPACE_BYTES = 6 * 1024**3  # as the workers of the embedded service, which load the same libraries
_HARDWARE = (Path("/sys/bus/pci"), Path("/sys/devices"))  # ONNX Runtime looks for GPUs, and warns if it may not
_NICENESS = 10  # sending and rendering go first


def main() -> None:
    """Look at images until the parent is gone."""
    disable_onnx_telemetry()
    limit_resources(address_space_bytes=_ADDRESS_SPACE_BYTES, niceness=_NICENESS)
    containment = contain(_HARDWARE)
    looker = Looker()

    def answer(request: Message) -> Message:
        (png,) = request.attachments
        look = looker.turned if request.values["asked"] == "turned" else looker.regions
        return Message({"found": look(png)})

    answer_requests(answer, containment)


if __name__ == "__main__":
    main()
