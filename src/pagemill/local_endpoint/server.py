"""The HTTP service: answers requests with page images as vLLM's OpenAI server does, with text from OCR workers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from pagemill.errors import PagemillError, RequestRejected, ServiceStopping, WorkerLost
from pagemill.local_endpoint.protocol import (
    ErrorAnswer,
    ErrorInfo,
    ModelCard,
    ModelList,
    Refused,
    as_stream,
    bad_request,
    completion,
    image_of,
    parse,
)
from pagemill.local_endpoint.reading import Readers, Reading

# Requests that wait and that are being read, together; the client sends the same number at most.
MOST_REQUESTS = 8
MOST_BODY_BYTES = 64 * 1024**2
_RETRY_AFTER_SECONDS = 2
# nginx's code; the client is gone and does not see it.
_CLIENT_CLOSED_REQUEST = 499

_log = logging.getLogger(__name__)


def create_app(readers: Readers, *, model: str) -> Starlette:
    """Build the service.

    Args:
        readers: What reads the images.
        model: The model id to answer to.
    """
    service = _Service(readers, model)
    return Starlette(
        routes=[
            Route("/health", service.health, methods=["GET"]),
            Route("/v1/models", service.models, methods=["GET"]),
            Route("/v1/chat/completions", service.chat_completions, methods=["POST"]),
        ],
        exception_handlers={
            RequestRejected: _on_rejected,
            WorkerLost: _on_failure,
            HTTPException: _on_http_exception,
            ClientDisconnect: _on_disconnect,
            Exception: _on_failure,
        },
    )


class _Service:
    def __init__(self, readers: Readers, model: str) -> None:
        self._readers = readers
        self._model = model
        self._created = int(time.time())
        self._accepted = 0

    async def health(self, _request: Request) -> Response:
        return Response(status_code=HTTPStatus.OK if self._readers.ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def models(self, _request: Request) -> Response:
        return _json(ModelList(data=[ModelCard(id=self._model, root=self._model, created=self._created)]))

    async def chat_completions(self, request: Request) -> Response:
        # Before the body is read: bodies take the memory.
        with self._admitted():
            chat = parse(await _body(request))
            if chat.model not in (None, self._model):
                message = f"The model `{chat.model}` does not exist."
                raise Refused(message, status=HTTPStatus.NOT_FOUND, type_="NotFoundError", param="model")
            if chat.n not in (None, 1):
                raise bad_request("n must be 1: the engine has only one answer", param="n")
            reading = await self._read(image_of(chat), request)
            answer = completion(reading, model=self._model, most_tokens=chat.most_tokens)
            return Response(as_stream(answer), media_type="text/event-stream") if chat.stream else _json(answer)

    async def _read(self, image: bytes, request: Request) -> Reading:
        """Read the image, or give up waiting for a worker when the client goes away."""
        reading = asyncio.ensure_future(self._read_by_worker(image))
        gone = asyncio.ensure_future(request.receive())
        try:
            await asyncio.wait((reading, gone), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            raise ClientDisconnect
        finally:
            reading.cancel()
            gone.cancel()

    async def _read_by_worker(self, image: bytes) -> Reading:
        try:
            return await self._readers.read(image)
        except (RequestRejected, WorkerLost):
            raise
        except PagemillError as error:  # an engine's bug fails its page; unhandled, it would close the connection, too
            raise WorkerLost(str(error)) from error
        except Exception as error:
            raise WorkerLost(f"{type(error).__name__}: {error}") from error

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        if self._accepted >= MOST_REQUESTS:
            raise Refused(f"{MOST_REQUESTS} requests are in progress already", status=HTTPStatus.TOO_MANY_REQUESTS)
        self._accepted += 1
        try:
            yield
        finally:
            self._accepted -= 1


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BODY_BYTES:
            message = f"the request has more than {MOST_BODY_BYTES:,} bytes"
            raise Refused(message, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return bytes(body)


async def _on_rejected(_request: Request, error: Exception) -> Response:
    refused = error if isinstance(error, Refused) else bad_request(str(error), param="image_url")
    answer = _json(ErrorAnswer(error=refused.error), refused.status)
    if refused.status is HTTPStatus.TOO_MANY_REQUESTS:
        answer.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
    return answer


async def _on_failure(_request: Request, error: Exception) -> Response:
    if isinstance(error, WorkerLost):
        _log.warning("a page was not read: %s", error)
    message = f"the page was not read: {error}"
    stopping = isinstance(error, ServiceStopping)
    status = HTTPStatus.SERVICE_UNAVAILABLE if stopping else HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "ServiceUnavailable" if stopping else "InternalServerError"
    return _json(ErrorAnswer(error=ErrorInfo(message=message, type=kind, code=status)), status)


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    """Unknown paths and methods."""
    status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND)
    headers = error.headers if isinstance(error, HTTPException) else None
    return _json(ErrorAnswer(error=ErrorInfo(message=status.phrase, type=status.phrase, code=status)), status, headers)


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


def _json(body: BaseModel, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body.model_dump_json(), status_code=status, headers=headers, media_type="application/json")
