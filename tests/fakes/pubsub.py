"""Pub/Sub as far as a subscriber uses it: one subscription behind a gRPC server, with a clock that tests move.

As the service does: a pull waits for messages and answers with some of them, in any order. What is not acknowledged
within its deadline is delivered again with another ack id; the old one is worth nothing then. With a dead letter topic,
deliveries are counted, and a message goes there after too many. Messages may come twice for no reason.
"""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1.types import (
    AcknowledgeRequest,
    ModifyAckDeadlineRequest,
    PubsubMessage,
    PullRequest,
    PullResponse,
    ReceivedMessage,
)

SUBSCRIPTION = "projects/my-project/subscriptions/uploads"
_LARGEST_REQUEST = 512 * 1024
_LONGEST_DEADLINE = 600
_WAIT_SECONDS = 20.0  # of a pull; the service's own is longer


@dataclass(eq=False)
class _Kept:
    """A message that the subscription has."""

    message: PubsubMessage
    deliveries: int = 0


@dataclass
class _Delivery:
    """A message that a subscriber has, until a time by the fake's clock."""

    kept: _Kept
    until: float


@dataclass
class FakePubSub:
    """Answers once its context is entered."""

    deadline: int = 10  # of the subscription, in seconds
    most_deliveries: int = 0  # then a message goes to the dead letter topic; 0: there is none
    seed: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    acknowledged: list[str] = field(default_factory=list)  # ids of messages
    dead_letters: list[PubsubMessage] = field(default_factory=list)
    failures: dict[str, deque[grpc.StatusCode]] = field(default_factory=dict)  # of the next calls, by method

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Kept] = []
        self._delivered: dict[str, _Delivery] = {}  # by ack id
        self._numbers = itertools.count(1)
        self._chance = random.Random(self.seed)  # noqa: S311 -- no secret
        self._pulls = 0  # that wait
        self._moved = 0.0
        self._closed = False
        self._given_up = 0
        self._server = grpc.server(ThreadPoolExecutor(8))
        methods = {
            "Pull": (PullRequest, PullResponse.serialize, self._pull),
            "Acknowledge": (AcknowledgeRequest, Empty.SerializeToString, self._acknowledge),
            "ModifyAckDeadline": (ModifyAckDeadlineRequest, Empty.SerializeToString, self._modify),
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._answering(name, function), request_deserializer=request.deserialize, response_serializer=written
            )
            for name, (request, written, function) in methods.items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", handlers),)
        )
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changing():
            self._closed = True
        self._server.stop(1.0).wait()  # pulls that wait are answered

    def publish(self, attributes: Mapping[str, str], data: bytes = b"") -> str:
        """Let a message wait for a subscriber; return its id."""
        with self._changing():
            message = PubsubMessage(message_id=str(next(self._numbers)), attributes=dict(attributes), data=data)
            self._waiting.append(_Kept(message))
            return str(message.message_id)

    def uploaded(
        self, bucket: str, name: str, generation: int, *, content_type: str = "", event: str = "OBJECT_FINALIZE"
    ) -> str:
        """Publish what Cloud Storage says of an object; return the message's id."""
        attributes = {
            "notificationConfig": f"projects/_/buckets/{bucket}/notificationConfigs/1",
            "eventType": event,
            "eventTime": "2026-11-30T12:00:00.000000Z",
            "payloadFormat": "JSON_API_V1",
            "bucketId": bucket,
            "objectId": name,
            "objectGeneration": str(generation),
        }
        metadata = {"kind": "storage#object", "bucket": bucket, "name": name, "generation": str(generation)}
        return self.publish(attributes, json.dumps(metadata | {"contentType": content_type}).encode())

    def deliver_again(self, share: float = 1.0) -> None:
        """Let messages that a subscriber has come a second time, although their deadline is not over."""
        with self._changing():
            again = [delivery.kept for delivery in self._delivered.values() if self._chance.random() < share]
            self._waiting += [_Kept(kept.message, kept.deliveries) for kept in again]

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._changing():
            self._moved += seconds

    def fail(self, method: str, *codes: grpc.StatusCode) -> None:
        """Answer the next calls of a method with errors."""
        self.failures.setdefault(method, deque()).extend(codes)

    def wait_until(self, what: str, seconds: float = 120.0) -> None:
        """Block until a property of the fake is true, as `delivered`, or nobody wants to know any more."""
        with self._changed:
            before = self._given_up
            known = self._changed.wait_for(lambda: getattr(self, what) or self._given_up > before, seconds)
            assert known, f"never {what}"

    def give_up(self) -> None:
        """End all that `wait_until` waits for."""
        with self._changing():
            self._given_up += 1

    def wait_for_calls(self, method: str, count: int, seconds: float = 120.0) -> None:
        """Block until a method was called so often."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.calls[method] >= count, seconds), f"no {count} calls of {method}"

    @property
    def delivered(self) -> bool:
        """Whether no message waits for a subscriber, and one has taken what it was sent, and waits for more."""
        return not self._waiting and self._pulls > 0

    @property
    def idle(self) -> bool:
        """Whether no pull waits: messages that come now are not sent to somebody who has gone."""
        return not self._pulls

    @property
    def waits_for_a_subscriber(self) -> int:
        """How many messages nobody has."""
        return len(self._waiting)

    @property
    def settled(self) -> bool:
        """Whether all messages are acknowledged, or dead letters."""
        return not self._waiting and not self._delivered

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()

    def _now(self) -> float:
        return time.monotonic() + self._moved

    def _answering(self, name: str, function: Any) -> Any:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            with self._changing():
                self.calls[name] += 1
                failing = self.failures.get(name)
                code = failing.popleft() if failing else None
            if code:
                context.abort(code, "on order")
            if request.subscription != SUBSCRIPTION:
                context.abort(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={request.subscription}).")
            with self._changing():
                return function(request, context)

        return answer

    def _pull(self, request: PullRequest, context: grpc.ServicerContext) -> PullResponse:
        if request.max_messages < 1:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "max_messages must be positive")
        context.add_callback(self._wake)
        if not self._ready():
            self._pulls += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._ready() or self._closed or not context.is_active(), _WAIT_SECONDS)
            self._pulls -= 1
        if not context.is_active():
            return PullResponse()
        self._chance.shuffle(self._waiting)
        most = self._chance.randint(1, request.max_messages) if self._waiting else 0
        chosen, self._waiting = self._waiting[:most], self._waiting[most:]
        return PullResponse(received_messages=[self._deliver(kept) for kept in chosen])

    def _deliver(self, kept: _Kept) -> ReceivedMessage:
        kept.deliveries += 1
        ack_id = f"{kept.message.message_id}-{next(self._numbers)}"
        self._delivered[ack_id] = _Delivery(kept, self._now() + self.deadline)
        attempt = kept.deliveries if self.most_deliveries else 0
        return ReceivedMessage(ack_id=ack_id, message=kept.message, delivery_attempt=attempt)

    def _ready(self) -> bool:
        """Whether there are messages for a subscriber, those included whose deadline is over."""
        for ack_id in [ack_id for ack_id, delivery in self._delivered.items() if delivery.until <= self._now()]:
            self._return(ack_id)
        return bool(self._waiting)

    def _return(self, ack_id: str) -> None:
        kept = self._delivered.pop(ack_id).kept
        if self.most_deliveries and kept.deliveries >= self.most_deliveries:
            self.dead_letters.append(kept.message)
        else:
            self._waiting.append(kept)

    def _acknowledge(self, request: AcknowledgeRequest, context: grpc.ServicerContext) -> Empty:
        self._check_ids(request, context)
        for ack_id in request.ack_ids:
            if delivery := self._delivered.pop(ack_id, None):
                self.acknowledged.append(delivery.kept.message.message_id)
        return Empty()

    def _modify(self, request: ModifyAckDeadlineRequest, context: grpc.ServicerContext) -> Empty:
        self._check_ids(request, context)
        if not 0 <= request.ack_deadline_seconds <= _LONGEST_DEADLINE:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the deadline is not between 0 and 600 seconds")
        self._ready()
        for ack_id in request.ack_ids:
            if delivery := self._delivered.get(ack_id):
                delivery.until = self._now() + request.ack_deadline_seconds
                if request.ack_deadline_seconds == 0:
                    self._return(ack_id)
        return Empty()

    def _check_ids(self, request: Any, context: grpc.ServicerContext) -> None:
        if not request.ack_ids or len(type(request).serialize(request)) > _LARGEST_REQUEST:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there are no ack ids, or they are more than 512 KiB")

    def _wake(self) -> None:
        with self._changing():
            pass
