from __future__ import annotations

import base64
import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from PIL import Image

from pagemill.local_endpoint.reading import Readers
from pagemill.local_endpoint.server import create_app

Eventually = Callable[[Callable[[], object]], None]
StartServer = Callable[[Readers], str]

MODEL = "the-model"


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Wait until a condition holds, a minute at most."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            threading.Event().wait(0.01)

    return wait


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Serve readers on a port of its own; returns the URL."""
    with contextlib.ExitStack() as cleanup:

        def start(readers: Readers) -> str:
            listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))
            config = uvicorn.Config(create_app(readers, model=MODEL), log_level="critical", lifespan="off", ws="none")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            cleanup.callback(thread.join)
            cleanup.callback(setattr, server, "should_exit", True)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start


@pytest.fixture
def png() -> bytes:
    """A small white image."""
    target = io.BytesIO()
    Image.new("L", (56, 30), 255).save(target, "PNG")
    return target.getvalue()


@pytest.fixture
def ask() -> Callable[..., dict[str, object]]:
    """Build the request that the product's own client sends."""

    def build(image: bytes, **more: object) -> dict[str, object]:
        url = "data:image/png;base64," + base64.b64encode(image).decode()
        content = [{"type": "image_url", "image_url": {"url": url}}]
        messages = [{"role": "user", "content": content}]
        return {"model": MODEL, "temperature": 0.2, "top_p": 0.9, "messages": messages, **more}

    return build
