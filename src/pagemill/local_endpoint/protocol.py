"""Requests and answers: the part of vLLM's OpenAI-compatible chat completions that a page image needs.

Requests are read as vLLM reads them: unknown fields are ignored. So are sampling parameters, because
nothing is sampled, and text beside the image: the engines take no instructions.
"""

from __future__ import annotations

import base64
import binascii
import time
import uuid
from http import HTTPStatus
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from pagemill.errors import RequestRejected
from pagemill.local_endpoint.reading import Reading
from pagemill.local_endpoint.tokens import count_image_tokens, count_text_tokens, cut


class Refused(RequestRejected):
    """The request cannot be served; the answer carries `status` and vLLM's error body."""

    def __init__(
        self, message: str, *, status: HTTPStatus = HTTPStatus.BAD_REQUEST, type_: str = "", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = ErrorInfo(message=message, type=type_ or status.phrase, param=param, code=status)


class ErrorInfo(BaseModel):
    """Why a request failed."""

    message: str
    type: str
    param: str | None = None
    code: int


class ErrorAnswer(BaseModel):
    """The body of every error answer."""

    error: ErrorInfo


class ImageUrl(BaseModel):
    """The image's URL; this service accepts only data URLs."""

    url: str


class Part(BaseModel):
    """One part of a message."""

    type: str
    image_url: ImageUrl | None = None


class Message(BaseModel):
    """One turn of the conversation."""

    role: str
    content: str | list[Part] | None = None


class ChatRequest(BaseModel):
    """The request's body."""

    model: str | None = None
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stream: bool | None = False
    n: int | None = 1

    @property
    def most_tokens(self) -> int | None:
        """How many tokens the answer may have; None: no limit."""
        return self.max_completion_tokens or self.max_tokens


class AnswerMessage(BaseModel):
    """The model's turn."""

    role: Literal["assistant"] = "assistant"
    content: str
    rejected: None = None
    tool_calls: list[str] = []


class Choice(BaseModel):
    """The only answer: an engine gives one."""

    index: int = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: Literal["stop", "length"]
    stop_reason: None = None


class Usage(BaseModel):
    """How many tokens the request has, as `tokens` counts them."""

    prompt_tokens: int
    total_tokens: int
    completion_tokens: int


class ChatCompletion(BaseModel):
    """The answer's body."""

    id: str = Field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(default_factory=lambda: int(time.time()))
    model: str
    choices: list[Choice]
    usage: Usage


class Delta(BaseModel):
    """A piece of the model's turn."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChunkChoice(BaseModel):
    """The only answer, as far as one event has it."""

    index: int = 0
    delta: Delta
    logprobs: None = None
    finish_reason: Literal["stop", "length"]


class ChatCompletionChunk(BaseModel):
    """One event of an answer that is a stream."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]


class ModelCard(BaseModel):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "pagemill"
    root: str
    parent: None = None


class ModelList(BaseModel):
    """The answer to /v1/models."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


def parse(body: bytes) -> ChatRequest:
    """Read a request's body.

    Raises:
        Refused: It is not JSON, or not a chat request.
    """
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        # Without the input, which may be an image of megabytes.
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        where = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in faults]
        raise Refused("; ".join(f"{place}: {fault}" if place else fault for place, fault in where)) from None


def image_of(request: ChatRequest) -> bytes:
    """Get the image from the request.

    Raises:
        Refused: There is not exactly one image, or it is not a data URL.
    """
    contents = [message.content for message in request.messages if isinstance(message.content, list)]
    images = [part.image_url for content in contents for part in content if part.image_url]
    if len(images) != 1:
        raise bad_request(f"{len(images)} images in the request; exactly one is read", param="messages")
    scheme, _, data = images[0].url.partition(",")
    if not scheme.startswith("data:image/") or not scheme.endswith(";base64"):
        raise bad_request("the image must be in the request, as a data:image/...;base64 URL", param="image_url")
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise bad_request("the image's data URL is not valid base64", param="image_url") from None


def bad_request(message: str, *, param: str | None = None) -> Refused:
    """The error for a valid request that asks for something this service does not have."""
    return Refused(message, type_="BadRequestError", param=param)


def completion(reading: Reading, *, model: str, most_tokens: int | None) -> ChatCompletion:
    """The answer to a request, its text cut to `most_tokens`."""
    text = reading.text if most_tokens is None else cut(reading.text, most_tokens)
    prompt, answer = count_image_tokens(reading.width_px, reading.height_px), count_text_tokens(text)
    return ChatCompletion(
        model=model,
        choices=[
            Choice(message=AnswerMessage(content=text), finish_reason="stop" if text == reading.text else "length")
        ],
        usage=Usage(prompt_tokens=prompt, completion_tokens=answer, total_tokens=prompt + answer),
    )


def as_stream(whole: ChatCompletion) -> str:
    """An answer as server-sent events. The engines give the text in one piece, so it is one event, and the end."""
    chunk = ChatCompletionChunk(
        id=whole.id,
        created=whole.created,
        model=whole.model,
        choices=[
            ChunkChoice(delta=Delta(content=choice.message.content), finish_reason=choice.finish_reason)
            for choice in whole.choices
        ],
    )
    return f"data: {chunk.model_dump_json()}\n\ndata: [DONE]\n\n"
