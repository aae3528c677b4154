"""Makes the server read pages before it is healthy, so that the first page of a batch is not slow.

Some kernels are compiled at their first call, others at the first step of eight sequences.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import io
import logging
import os
import sys
import threading
import time
from importlib import import_module
from typing import Any

API_SERVER = "vllm.entrypoints.openai.api_server"
_PAGE_PX = (1088, 1540)  # A4 upright
_AT_ONCE, _TOKENS = 8, 16

_log = logging.getLogger("vllm.pagemill_vision")


def install() -> bool:
    """Make the API server read some pages before it listens; return whether this process is an API server."""
    server: Any = sys.modules.get(API_SERVER)
    if server is None:
        return False
    init_app_state = server.init_app_state
    if getattr(init_app_state, "warmed_by_pagemill", False):
        return True

    async def warmed(engine_client: Any, state: Any, args: Any, *rest: Any, **named: Any) -> None:
        await init_app_state(engine_client, state, args, *rest, **named)
        await warm_up(state.openai_serving_chat, args.served_model_name[0])

    warmed.warmed_by_pagemill = True  # type: ignore[attr-defined]  # our own mark
    server.init_app_state = warmed
    _prepare_meanwhile(import_module("vllm.v1.engine.async_llm"))
    return True


def _prepare_meanwhile(async_llm: Any) -> None:
    """Make the API server load its image processor while it waits for the engine, not afterwards."""
    make = async_llm.renderer_from_config

    def made(*args: Any, **named: Any) -> Any:
        renderer = make(*args, **named)
        # A process with threads should not be forked. The engine is forked next, so the thread starts after that.
        os.register_at_fork(after_in_parent=functools.cache(functools.partial(_prepare, renderer)))
        return renderer

    async_llm.renderer_from_config = made


def _prepare(renderer: Any) -> None:
    def read() -> None:
        renderer._warmup_mm_processor(renderer.mm_processor, log_prefix="Early multi-modal")  # noqa: SLF001

    threading.Thread(target=read, name="early-warm-up", daemon=True).start()


async def warm_up(chat: Any, model: str) -> None:
    """Read white pages: one, then as many as are read at the same time.

    Raises:
        RuntimeError: The server cannot read them, so it could not read other pages either.
    """
    request_type = import_module("vllm.entrypoints.openai.chat_completion.protocol").ChatCompletionRequest
    content = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_white_page()}"}}]
    request = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": _TOKENS,
        "min_tokens": _TOKENS,
        "ignore_eos": True,
    }
    began = time.monotonic()
    for pages in (1, _AT_ONCE):
        for answer in await asyncio.gather(
            *(chat.create_chat_completion(request_type.model_validate(request)) for _ in range(pages))
        ):
            if not getattr(answer, "choices", None):
                raise RuntimeError(f"the server cannot read a white page: {answer!r}"[:500])
    _log.info("warmed up with %d pages in %.1f s", 1 + _AT_ONCE, time.monotonic() - began)


def _white_page() -> str:
    image = import_module("PIL.Image")
    buffer = io.BytesIO()
    image.new("RGB", _PAGE_PX, "white").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
