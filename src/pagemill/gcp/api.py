"""What all clients of Google's APIs share: how they are opened, and how their errors are translated."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Self, TypeVar, cast

import google.auth
import grpc
import requests
from google.api_core import exceptions as api
from google.api_core.retry import AsyncRetry, if_exception_type
from google.auth import exceptions as auth
from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import service_account

from pagemill.errors import Conflict, DeploymentFailed, PagemillError, UsageError
from pagemill.gcp.quota import quota_fix

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LOGIN = "gcloud auth application-default login"
# Google's own projects, which requests with a user's login count for if the login has no quota project: that of
# `gcloud auth application-default login`, and that of gcloud itself.
_SHARED_PROJECTS = {"764086051850", "32555940559"}

_REFUSALS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_READ_SECONDS = 30.0

# For calls that change nothing: not all generated clients retry them by default.
READS = AsyncRetry(
    predicate=if_exception_type(api.ServiceUnavailable, api.InternalServerError, api.TooManyRequests),
    initial=0.2,
    maximum=5.0,
    timeout=60.0,
)

Client = TypeVar("Client")


class ApiDisabled(UsageError):
    """An API is not enabled in the project."""


class NotAllowed(UsageError):
    """A permission is missing."""


class GoogleApi:
    """Opens asynchronous clients with one account's credentials, or for emulators; closes them when it is closed."""

    def __init__(self, project: str, key: Mapping[str, Any] | None = None, *, emulated: bool = False) -> None:
        """Store the configuration.

        Args:
            project: Id of the project that the resources belong to.
            key: A service account's key, as in its JSON file; None: the machine's own credentials.
            emulated: Whether all clients are for emulators, which need no credentials.
        """
        self.project = project
        self._key = key
        self._emulated = emulated
        self._credentials: Any = None
        self._opened: list[Any] = []

    async def __aenter__(self) -> Self:
        """Find the credentials.

        Raises:
            UsageError: There are none.
        """
        if not self._emulated:
            self._credentials = await asyncio.to_thread(self._find_credentials)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._opened:
            await client.transport.close()

    def client(self, kind: type[Client], emulator: str = "") -> Client:
        """Open a client on the running event loop.

        Args:
            kind: An asynchronous client class.
            emulator: host:port of a plaintext gRPC server; empty: the real service.
        """
        generated: Any = kind
        if emulator:
            transport = generated.get_transport_class("grpc_asyncio")
            opened = generated(transport=transport(channel=grpc.aio.insecure_channel(emulator)))
        else:
            opened = generated(credentials=self._credentials)
        self._opened.append(opened)
        return cast("Client", opened)

    async def read_json(self, what: str, url: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Read from an API for which there is no client here.

        Args:
            what: The action and its object, for messages.
            url: The resource.
            parameters: Of the query.

        Raises:
            NotAllowed: The API refuses us, or is not enabled; the message is Google's.
            DeploymentFailed: It does not answer.
        """
        with self.translated_errors(what):
            try:
                answer = await asyncio.to_thread(self._get, url, parameters)
            except requests.RequestException as error:
                raise DeploymentFailed(f"{what}: no answer from {url}: {error}") from error
        if answer.status_code == HTTPStatus.OK:
            return cast("dict[str, Any]", answer.json())
        kind = NotAllowed if answer.status_code in _REFUSALS else DeploymentFailed
        raise kind(f"{what}: {_message_of(answer)}")

    def _get(self, url: str, parameters: Mapping[str, str]) -> requests.Response:
        with requests.Session() if self._emulated else AuthorizedSession(self._credentials) as session:
            return session.get(url, params=dict(parameters), timeout=_READ_SECONDS)

    def _find_credentials(self) -> Any:
        try:
            if self._key:
                return service_account.Credentials.from_service_account_info(self._key, scopes=[_SCOPE])
            return google.auth.default(scopes=[_SCOPE])[0]
        except auth.GoogleAuthError as error:
            raise UsageError(f"no Google credentials ({error}); type: {_LOGIN}") from error

    @contextlib.contextmanager
    def translated_errors(self, what: str) -> Iterator[None]:
        """Translate the errors of Google's clients. NotFound is passed on, because its meaning depends on the call.

        Args:
            what: The action and its object, as in "deploying lightonocr".

        Raises:
            PagemillError: What happened, and what to type next.
        """
        try:
            yield
        except (api.NotFound, PagemillError):
            raise
        except auth.GoogleAuthError as error:
            raise UsageError(f"{what}: no usable Google credentials ({error}); type: {_LOGIN}") from error
        except api.GoogleAPIError as error:
            raise self._translated(what, error) from error
        except TimeoutError as error:
            raise DeploymentFailed(f"{what}: it timed out; deploy again") from error

    def _translated(self, what: str, error: api.GoogleAPIError) -> PagemillError:
        text = str(getattr(error, "message", "") or error)
        if isinstance(error, api.RetryError) and isinstance(error.cause, api.GoogleAPIError):
            return self._translated(what, error.cause)
        if getattr(error, "reason", None) == "SERVICE_DISABLED":
            told = getattr(error, "metadata", None) or {}
            consumer = str(told.get("consumer", "")).removeprefix("projects/")
            return (
                self._no_quota_project(consumer)
                if consumer in _SHARED_PROJECTS
                else self.disabled(told.get("service", "SERVICE"))
            )
        if isinstance(error, (api.PermissionDenied, api.Unauthenticated)):
            return NotAllowed(f"{what}: {text}; infra/terraform/accounts.tf lists the permissions of a deployer")
        if isinstance(error, api.Aborted):
            return Conflict(f"{what}: somebody else changed it meanwhile ({text}); check it, then deploy again")
        if isinstance(error, api.AlreadyExists):
            return Conflict(f"{what}: {text}; deploy again")
        return DeploymentFailed(f"{what}: {quota_fix(text, self.project) or text}")

    def _no_quota_project(self, consumer: str) -> UsageError:
        """The error for a user's login whose requests count for Google's shared project, where no API is enabled."""
        return UsageError(
            f"your login has no quota project, so the request counts for Google's shared project {consumer}, "
            f"where the API is not enabled; type: gcloud auth application-default set-quota-project {self.project}"
        )

    def disabled(self, service: str) -> ApiDisabled:
        """The error for an API that is not enabled, with the command that enables it."""
        how = f"gcloud services enable {service} --project={self.project}"
        return ApiDisabled(f"the API {service} is not enabled in {self.project}; type: {how}")


def _message_of(answer: requests.Response) -> str:
    """Google's message in an answer, or its status."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"it answers {answer.status_code}"
