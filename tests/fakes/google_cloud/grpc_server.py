"""A gRPC server without generated code: functions from request to answer, by service and method."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, Self

import grpc
from google.longrunning import operations_pb2
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

Method = Callable[[Any], Any]
CODES = {
    "INVALID_ARGUMENT": code_pb2.INVALID_ARGUMENT,
    "NOT_FOUND": code_pb2.NOT_FOUND,
    "ALREADY_EXISTS": code_pb2.ALREADY_EXISTS,
    "PERMISSION_DENIED": code_pb2.PERMISSION_DENIED,
    "RESOURCE_EXHAUSTED": code_pb2.RESOURCE_EXHAUSTED,
    "FAILED_PRECONDITION": code_pb2.FAILED_PRECONDITION,
    "ABORTED": code_pb2.ABORTED,
    "UNAVAILABLE": code_pb2.UNAVAILABLE,
}


class Refused(Exception):
    """A call that is answered with an error."""

    def __init__(self, code: str, message: str, *details: Any) -> None:
        super().__init__(message)
        self.status = status_pb2.Status(code=CODES[code], message=message)
        for detail in details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            self.status.details.append(packed)


def refuse(code: str, message: str) -> NoReturn:
    """Answer the call with an error."""
    raise Refused(code, message)


def disabled(service: str, project: str) -> Refused:
    """The error of an API that is not enabled, as the clients parse it."""
    info = error_details_pb2.ErrorInfo(
        reason="SERVICE_DISABLED",
        domain="googleapis.com",
        metadata={"service": service, "consumer": f"projects/{project}"},
    )
    return Refused(
        "PERMISSION_DENIED", f"{service} has not been used in project {project} before or it is disabled.", info
    )


def no_quota_project(service: str) -> Refused:
    """The error for a user's login without a quota project: the request counts for Google's shared project."""
    info = error_details_pb2.ErrorInfo(
        reason="SERVICE_DISABLED",
        domain="googleapis.com",
        metadata={"service": service, "consumer": "projects/764086051850"},
    )
    return Refused(
        "PERMISSION_DENIED",
        f"Your application is authenticating by using local Application Default Credentials. The {service} API "
        "requires a quota project, which is not set by default.",
        info,
    )


class GrpcServer:
    """One plaintext gRPC server for many services; counts calls, and fails them on request."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()  # by method
        self.requests: list[tuple[str, Any]] = []
        self.faults: dict[str, deque[Refused]] = {}  # of the next calls, by method
        self.before: Callable[[str, Any], None] = lambda _method, _request: None  # may raise Refused
        self.lock = threading.RLock()
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()

    @property
    def host(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._port}"

    def fail(self, method: str, *errors: Refused) -> None:
        """Answer the next calls of a method with errors."""
        self.faults.setdefault(method, deque()).extend(errors)

    def serve(self, service: str, methods: Mapping[str, tuple[Any, Any, Method]]) -> None:
        """Answer a service's methods: request type, answer type, function."""
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._answering(name, function),
                request_deserializer=_codec(request)[0],
                response_serializer=_codec(answer)[1],
            )
            for name, (request, answer, function) in methods.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))

    def _answering(self, name: str, function: Method) -> Callable[[Any, grpc.ServicerContext], Any]:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            with self.lock:
                self.calls[name] += 1
                self.requests.append((name, request))
                try:
                    if self.faults.get(name):
                        raise self.faults[name].popleft()
                    self.before(name, request)
                    return function(request)
                except Refused as error:
                    refused = error
            context.abort_with_status(rpc_status.to_status(refused.status))
            raise AssertionError("abort_with_status always raises")

        return answer


class Operations:
    """Long-running operations: done after `polls` polls, with an answer or an error."""

    def __init__(self, grpc_server: GrpcServer) -> None:
        self.polls = 1  # until an operation is done
        self._left: dict[str, int] = {}  # polls until it is done
        self._done: dict[str, operations_pb2.Operation] = {}
        request = operations_pb2.GetOperationRequest
        grpc_server.serve(
            "google.longrunning.Operations", {"GetOperation": (request, operations_pb2.Operation, self._get)}
        )

    def start(
        self, name: str, metadata: Any, answer: Any = None, error: status_pb2.Status | None = None, *, ends: bool = True
    ) -> Any:
        """Start an operation that will end with this answer or error, or never."""
        running = operations_pb2.Operation(name=name, metadata=_packed(metadata))
        done = operations_pb2.Operation(name=name, done=True, metadata=_packed(metadata), error=error)
        if error is None:
            done.response.CopyFrom(_packed(answer))
        self._done[name], self._left[name] = done, self.polls if ends else 10**9
        return running

    def _get(self, request: operations_pb2.GetOperationRequest) -> operations_pb2.Operation:
        if request.name not in self._done:
            refuse("NOT_FOUND", f"Operation {request.name} not found")
        self._left[request.name] -= 1
        if self._left[request.name] > 0:
            return operations_pb2.Operation(name=request.name, metadata=self._done[request.name].metadata)
        return self._done[request.name]


def status(code: str, message: str) -> status_pb2.Status:
    """The error of an operation."""
    return status_pb2.Status(code=CODES[code], message=message)


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(type(message).pb(message) if hasattr(type(message), "pb") else message)
    return packed


def _codec(message: Any) -> tuple[Any, Any]:
    if hasattr(message, "deserialize"):  # proto-plus
        return message.deserialize, message.serialize
    return message.FromString, lambda value: value.SerializeToString()
