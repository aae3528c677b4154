from __future__ import annotations

import logging
import os
import sys
import threading
import types
from typing import Any

import pagemill_vision
import pytest
import vllm
from pagemill_vision import installation, warmup
from vllm.v1.engine import async_llm

Methods = dict[tuple[Any, str], Any]


def _replaced(stock: Methods) -> list[str]:
    return [f"{cls.__name__}.{name}" for (cls, name), method in stock.items() if getattr(cls, name) is not method]


def test_the_vllm_of_the_image_is_the_one_that_it_was_written_for(stock: Methods) -> None:
    assert vllm.__version__ == installation.VERSION
    assert installation.install() == "installed into vLLM 0.22.1"
    assert len(_replaced(stock)) == len(stock)


def test_it_is_put_in_once(stock: Methods) -> None:
    installation.install()
    before = {key: getattr(*key) for key in stock}

    assert installation.install() == "installed before"
    assert {key: getattr(*key) for key in stock} == before


@pytest.mark.parametrize(("name", "value"), [("SOURCE", "0" * 64), ("VERSION", "0.23.0")])
def test_another_vllm_stops_the_server_and_says_what_to_do(
    name: str, value: str, stock: Methods, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, name, value)

    with pytest.raises(RuntimeError, match=r"this is vLLM 0\.22\.1 .*PAGEMILL_VISION=0"):
        pagemill_vision.register()
    assert _replaced(stock) == []


def test_a_vllm_that_has_boundaries_itself_is_left_alone(stock: Methods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_FIXED", "scaled_dot_product_attention")
    monkeypatch.setattr(installation, "SOURCE", "of another version")

    assert installation.install() == "vLLM 0.22.1 has its own"
    assert _replaced(stock) == []


def test_one_variable_switches_it_off(
    stock: Methods, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PAGEMILL_VISION", "0")
    monkeypatch.setattr(logging.getLogger("vllm"), "propagate", True)

    pagemill_vision.register()

    assert _replaced(stock) == []
    assert "switched off: PAGEMILL_VISION=0" in caplog.text


class Chat:
    """The part of vLLM's server that answers, with what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    async def create_chat_completion(self, request: Any) -> Any:
        self.asked.append(request)
        return self.answer


def _server(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """An API server whose state is what it is given."""

    async def init_app_state(_engine: Any, state: Any, _args: Any) -> None:
        state.made = True

    server = types.ModuleType(warmup.API_SERVER)
    server.__dict__["init_app_state"] = init_app_state
    monkeypatch.setitem(sys.modules, warmup.API_SERVER, server)
    monkeypatch.setattr(async_llm, "renderer_from_config", async_llm.renderer_from_config)  # put back afterwards
    return server


def test_only_the_api_server_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, warmup.API_SERVER, raising=False)

    assert not warmup.install()


@pytest.mark.asyncio
async def test_pages_are_read_before_the_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    server = _server(monkeypatch)
    state = types.SimpleNamespace(openai_serving_chat=Chat(types.SimpleNamespace(choices=["text"])))
    warmup.install()
    warmup.install()

    await server.init_app_state(None, state, types.SimpleNamespace(served_model_name=["a-model"]))

    assert state.made
    assert [request.model for request in state.openai_serving_chat.asked] == ["a-model"] * 9


class Renderer:
    """The part of vLLM's server that loads an image processor when it is first asked."""

    mm_processor = "a processor"

    def __init__(self) -> None:
        self.loaded: list[Any] = []
        self.done = threading.Event()

    def _warmup_mm_processor(self, processor: Any, *, log_prefix: str) -> None:
        self.loaded.append((processor, log_prefix))
        self.done.set()


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def test_the_image_processor_is_loaded_once_the_engine_is_started_and_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    renderer = Renderer()
    monkeypatch.setattr(async_llm, "renderer_from_config", lambda: renderer)
    _server(monkeypatch)
    warmup.install()

    async_llm.renderer_from_config()
    before = list(renderer.loaded)
    _fork()
    _fork()

    assert renderer.done.wait(30)
    assert (before, renderer.loaded) == ([], [("a processor", "Early multi-modal")])


@pytest.mark.asyncio
async def test_a_server_that_cannot_read_a_page_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    server = _server(monkeypatch)
    state = types.SimpleNamespace(openai_serving_chat=Chat("no such model"))
    warmup.install()

    with pytest.raises(RuntimeError, match="cannot read a white page: 'no such model'"):
        await server.init_app_state(None, state, types.SimpleNamespace(served_model_name=["a-model"]))
