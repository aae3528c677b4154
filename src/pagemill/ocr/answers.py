"""What an endpoint answers, in the form of OpenAI's API: completions, streams, lists of models, errors."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pydantic import BaseModel, ValidationError

from pagemill.domain.pages.model import Transcript
from pagemill.errors import EndpointUnavailable, MalformedAnswer

_LONGEST_DETAIL = 300  # characters of an endpoint's answer that an error message quotes
_REQUEST_ID = re.compile(r"pagemill-[0-9a-f]{32}")
_ABORTED = "abort"  # finish_reason of vLLM, with half a text: it was told to stop
_MOST_TOKENS = 10**9  # a larger count is none


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Of an error, `body` may be only the beginning."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 -- RFC 9110, section 15.3

    @property
    def text(self) -> str:
        """The body, read as UTF-8 whatever its header says: a name of an encoding may be that of no text."""
        return self.body.decode(errors="replace")


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    id: object = None  # vLLM: `chatcmpl-` and the request's X-Request-Id
    choices: list[_Choice]
    usage: object = None  # for the record only: no page is lost for it


class _Delta(BaseModel):
    delta: _Message = _Message()


class _Chunk(BaseModel):
    choices: list[_Delta]


class _Model(BaseModel):
    id: str


class Models(BaseModel):
    """The models that an endpoint serves."""

    data: list[_Model]


class _Error(BaseModel):
    message: str


class _Failure(BaseModel):
    error: _Error


def new_request_id() -> str:
    """An id that `check_id` finds in an answer."""
    return f"pagemill-{secrets.token_hex(16)}"


def check_id(answered: object, request_id: str) -> None:
    """Refuse the answer to another page. An endpoint that does not repeat ids is believed.

    Raises:
        MalformedAnswer: The answer names another request of ours.
    """
    named = _REQUEST_ID.search(str(answered))
    if named and named[0] != request_id:
        raise MalformedAnswer(
            f"the endpoint gave the answer to another request ({named[0]} instead of {request_id}); "
            "a proxy before it mixes up connections"
        )


def transcript(answer: Answer, request_id: str, seconds: float) -> Transcript:
    """The transcript in the answer to a request.

    Args:
        answer: The answer.
        request_id: What the request was sent with.
        seconds: From the request to the answer.

    Raises:
        MalformedAnswer: It is no chat completion, or the answer to another request.
        EndpointUnavailable: It holds a part of the text, because the server stops.
    """
    try:
        completion = _Completion.model_validate_json(answer.body)
    except ValidationError as error:
        raise MalformedAnswer(
            f"the endpoint's answer is no chat completion: {excerpt(answer.text)}", page_may_be_the_cause=True
        ) from error
    check_id(completion.id, request_id)
    if not completion.choices:
        raise MalformedAnswer("the endpoint's answer holds no choices", page_may_be_the_cause=True)
    choice = completion.choices[0]
    if choice.finish_reason == _ABORTED:
        raise EndpointUnavailable(
            "the endpoint gave up the page, as vLLM does when it is told to stop", page_may_be_the_cause=True
        )
    return Transcript(
        markdown=choice.message.content or "",
        finish_reason=excerpt(choice.finish_reason or ""),
        prompt_tokens=_count(completion.usage, "prompt_tokens"),
        completion_tokens=_count(completion.usage, "completion_tokens"),
        seconds=seconds,
    )


def _count(usage: object, name: str) -> int:
    """A number of tokens; 0 where the endpoint counts none."""
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if type(found) is int and 0 <= found <= _MOST_TOKENS else 0


def text_of(line: str) -> str:
    """The text in one line of a stream; may be empty.

    Raises:
        MalformedAnswer: The line is no part of a chat completion.
    """
    event = line.removeprefix("data: ")
    if event in {line, "[DONE]"}:
        return ""
    try:
        choices = _Chunk.model_validate_json(event).choices
    except ValidationError as error:
        raise MalformedAnswer(f"the endpoint's stream holds no chat completion: {excerpt(event)}") from error
    return "".join(choice.delta.content or "" for choice in choices)


def retry_after(answer: Answer) -> float | None:
    """Seconds to wait before the next request. The header holds seconds or a date (RFC 9110, section 10.2.3)."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError, LookupError):
        return None


def detail(answer: Answer) -> str:
    """The status and the endpoint's message: OpenAI's error message if there is one."""
    try:
        message = _Failure.model_validate_json(answer.body).error.message
    except ValidationError:
        message = answer.text
    return f"{answer.status} {excerpt(answer.reason)}: {excerpt(message)}".removesuffix(": ")


def excerpt(text: str) -> str:
    """The beginning of a text, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_DETAIL else f"{text[:_LONGEST_DETAIL]}…"


def describe(error: Exception) -> str:
    """An error of the HTTP client, or below it: its kind, and its message if it has one."""
    return f"{type(error).__name__} ({error})" if str(error) else type(error).__name__
