"""A witness worker that finds as many regions as an image has bytes, and fails as the image says."""

from __future__ import annotations

import os
import signal

from pagemill.errors import RequestRejected
from pagemill.workers.containment import Containment
from pagemill.workers.frames import Message
from pagemill.workers.serving import answer_requests


def main() -> None:
    """Answer, or fail."""

    def answer(request: Message) -> Message:
        (image,) = request.attachments
        match image:
            case b"killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case b"hangs":
                signal.pause()
            case b"rejected":
                raise RequestRejected("no image")
            case b"bug":
                raise ValueError("an unexpected error")
            case b"everything":
                return Message({"found": 10**12})
            case b"nonsense":
                return Message({"found": "many"})
        return Message({"found": 90 if request.values["asked"] == "turned" else len(image)})

    answer_requests(answer, Containment())


if __name__ == "__main__":
    main()
