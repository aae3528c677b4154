from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from pagemill.errors import RequestRejected, WorkerLost
from pagemill.local_endpoint.reading import Reading
from pagemill.local_endpoint.server import MOST_BODY_BYTES, MOST_REQUESTS
from pagemill.ocr.answers import text_of

Ask = Callable[..., dict[str, object]]
Start = Callable[..., httpx.Client]
Eventually = Callable[[Callable[[], object]], None]

CHAT = "/v1/chat/completions"


class PromptReaders:
    """Reads every image at once, and records it."""

    def __init__(self, text: str = "Grüße vom Küfer", *, ready: bool = True) -> None:
        self.ready = ready
        self.images: list[bytes] = []
        self._text = text

    async def read(self, image: bytes) -> Reading:
        self.images.append(image)
        return Reading(self._text, width_px=56, height_px=30)


class FailingReaders:
    """Fails every image with the same error."""

    ready = True

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def read(self, _image: bytes) -> Reading:
        raise self._error


class SlowReaders:
    """Reads nothing until it is released."""

    ready = True

    def __init__(self) -> None:
        self.started = 0
        self.abandoned = 0
        self._gate: Future[Reading] = Future()

    async def read(self, _image: bytes) -> Reading:
        self.started += 1
        try:
            return await asyncio.shield(asyncio.wrap_future(self._gate))
        except asyncio.CancelledError:
            self.abandoned += 1
            raise

    def go_on(self) -> None:
        self._gate.set_result(Reading("done", 1, 1))


@pytest.fixture
def client(start_server: Callable[..., str]) -> Start:
    def start(readers: object) -> httpx.Client:
        return httpx.Client(base_url=start_server(readers), timeout=20, trust_env=False)

    return start


def test_a_page_is_answered_as_vllm_answers(client: Start, ask: Ask, png: bytes) -> None:
    readers = PromptReaders()
    with client(readers) as http:
        answer = http.post(CHAT, json=ask(png, max_tokens=4096)).raise_for_status().json()

    assert readers.images == [png]
    assert answer["id"].startswith("chatcmpl-")
    assert (answer["object"], answer["model"]) == ("chat.completion", "the-model")
    assert isinstance(answer["created"], int)
    (choice,) = answer["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"] == "Grüße vom Küfer"
    assert (choice["index"], choice["finish_reason"]) == (0, "stop")
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 3, "total_tokens": 7}


def test_a_blank_page_is_an_empty_text(client: Start, ask: Ask, png: bytes) -> None:
    with client(PromptReaders("")) as http:
        choice = http.post(CHAT, json=ask(png, max_tokens=1)).json()["choices"][0]

    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_text_longer_than_max_tokens_is_cut_with_finish_reason_length(
    client: Start, ask: Ask, png: bytes, name: str
) -> None:
    with client(PromptReaders("one two three four")) as http:
        answer = http.post(CHAT, json=ask(png, **{name: 2})).json()

    assert answer["choices"][0]["message"]["content"] == "one two"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2


def test_an_answer_as_a_stream_is_the_text_in_one_event_and_the_end(client: Start, ask: Ask, png: bytes) -> None:
    with client(PromptReaders("one two three four")) as http:
        answer = http.post(CHAT, json=ask(png, max_tokens=2, stream=True))

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    event, end = answer.text.split("\n\n")[:2]
    assert text_of(event) == "one two"
    assert '"finish_reason":"length"' in event
    assert end == "data: [DONE]"


def test_the_model_may_be_left_out(client: Start, ask: Ask, png: bytes) -> None:
    with client(PromptReaders()) as http:
        assert http.post(CHAT, json=ask(png, model=None)).is_success


def test_unknown_fields_are_ignored(client: Start, ask: Ask, png: bytes) -> None:
    with client(PromptReaders()) as http:
        assert http.post(CHAT, json=ask(png, repetition_detection={"min_count": 4}, seed=1)).is_success


def test_the_models_are_listed(client: Start) -> None:
    with client(PromptReaders()) as http:
        listing = http.get("/v1/models").json()

    assert listing["object"] == "list"
    assert [(model["id"], model["object"]) for model in listing["data"]] == [("the-model", "model")]


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_health_says_whether_the_models_are_loaded(client: Start, *, ready: bool, status: int) -> None:
    with client(PromptReaders(ready=ready)) as http:
        assert http.get("/health").status_code == status


def image_message(url: str, count: int = 1) -> dict[str, object]:
    content = [{"type": "image_url", "image_url": {"url": url}}] * count
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "messages: Field required"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": "Read this"}]}, "0 images"),
        (image_message("data:image/png;base64,AAAA", count=2), "2 images"),
        (image_message("http://192.0.2.1/page.png"), "must be in the request"),
        (image_message("file:///etc/passwd"), "must be in the request"),
        (image_message("data:text/plain;base64,AAAA"), "must be in the request"),
        (image_message("data:image/png;base64,A*A"), "base64"),
        ({**image_message("data:image/png;base64,AAAA"), "n": 2}, "n must be 1"),
        ({**image_message("data:image/png;base64,AAAA"), "max_tokens": 0}, "max_tokens"),
    ],
)
def test_a_request_that_cannot_be_served_is_a_bad_request(client: Start, body: object, message: str) -> None:
    readers = PromptReaders()
    with client(readers) as http:
        answer = http.post(CHAT, json=body)

    error = answer.json()["error"]
    assert answer.status_code == error["code"] == 400
    assert message in error["message"]
    assert error["type"] in {"BadRequestError", "Bad Request"}
    assert not readers.images


def test_broken_json_is_a_bad_request_that_does_not_echo_it(client: Start) -> None:
    with client(PromptReaders()) as http:
        answer = http.post(CHAT, content=b'{"messages": [SECRET')

    assert answer.status_code == 400
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert "SECRET" not in answer.text


def test_an_undecodable_image_is_a_bad_request(client: Start, ask: Ask, png: bytes) -> None:
    with client(FailingReaders(RequestRejected("the image cannot be decoded"))) as http:
        answer = http.post(CHAT, json=ask(png))

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "BadRequestError"


def test_an_unknown_model_is_not_found(client: Start, ask: Ask, png: bytes) -> None:
    with client(PromptReaders()) as http:
        answer = http.post(CHAT, json=ask(png, model="gpt-6"))

    assert answer.status_code == 404
    assert answer.json()["error"] == {
        "message": "The model `gpt-6` does not exist.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", CHAT, 405), ("POST", "/health", 405), ("POST", "/v1/embeddings", 404)]
)
def test_other_methods_and_paths_are_refused_in_the_same_form(
    client: Start, method: str, path: str, status: int
) -> None:
    with client(PromptReaders()) as http:
        answer = http.request(method, path)

    assert answer.status_code == answer.json()["error"]["code"] == status


def test_a_body_beyond_the_limit_is_refused(client: Start) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(MOST_BODY_BYTES // 2**20 + 1):
            yield b" " * 2**20

    with client(PromptReaders()) as http:
        answer = http.post(CHAT, content=body())

    assert answer.status_code == answer.json()["error"]["code"] == 413


@pytest.mark.parametrize("error", [WorkerLost("the process was ended by SIGSEGV"), ValueError("a fault of ours")])
def test_a_failure_fails_one_request_and_says_why(client: Start, ask: Ask, png: bytes, error: Exception) -> None:
    with client(FailingReaders(error)) as http:
        answer = http.post(CHAT, json=ask(png))
        health = http.get("/health")

    assert answer.status_code == answer.json()["error"]["code"] == 500
    assert answer.json()["error"]["type"] == "InternalServerError"
    assert str(error) in answer.json()["error"]["message"]
    assert health.status_code == 200


def test_the_ninth_request_gets_429_with_retry_after(
    client: Start, ask: Ask, png: bytes, eventually: Eventually
) -> None:
    readers = SlowReaders()
    with client(readers) as http, ThreadPoolExecutor(MOST_REQUESTS) as threads:
        eight = [threads.submit(http.post, CHAT, json=ask(png)) for _ in range(MOST_REQUESTS)]
        eventually(lambda: readers.started == MOST_REQUESTS)
        ninth = http.post(CHAT, json=ask(png + bytes(4_000_000)))
        readers.go_on()
        statuses = [request.result().status_code for request in eight]
        after = http.post(CHAT, json=ask(png))

    assert ninth.status_code == ninth.json()["error"]["code"] == 429
    assert int(ninth.headers["Retry-After"]) >= 1
    assert statuses == [200] * MOST_REQUESTS
    assert after.status_code == 200


def test_a_client_that_disconnects_frees_its_place(client: Start, ask: Ask, png: bytes, eventually: Eventually) -> None:
    readers = SlowReaders()
    with client(readers) as http:
        for _ in range(MOST_REQUESTS + 1):
            with pytest.raises(httpx.ReadTimeout):
                http.post(CHAT, json=ask(png), timeout=httpx.Timeout(10, read=0.05))
            eventually(lambda: readers.abandoned == readers.started)

    assert readers.abandoned == MOST_REQUESTS + 1
