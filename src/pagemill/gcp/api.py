"""What the clients of Google's APIs share: how they are opened, and our words for what is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Self, TypeVar, cast

import google.auth
import grpc
from google.api_core import exceptions as api
from google.api_core.retry import AsyncRetry, if_exception_type
from google.auth import exceptions as auth
from google.oauth2 import service_account

from pagemill.errors import Conflict, DeploymentFailed, PagemillError, UsageError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LOGIN = "gcloud auth application-default login"
_MOST_INSTANCES = re.compile(r"[Mm]ax instances must be set to (\d+)")

# For calls that change nothing: not all of the generated clients repeat them by themselves.
READS = AsyncRetry(
    predicate=if_exception_type(api.ServiceUnavailable, api.InternalServerError, api.TooManyRequests),
    initial=0.2,
    maximum=5.0,
    timeout=60.0,
)

Client = TypeVar("Client")


class ApiDisabled(UsageError):
    """An API is switched off in the project."""


class NotAllowed(UsageError):
    """A permission is missing."""


class GoogleApi:
    """Opens asynchronous clients with one account's credentials, or towards emulators; closes them at its end."""

    def __init__(self, project: str, key: Mapping[str, Any] | None = None, *, emulated: bool = False) -> None:
        """Configure.

        Args:
            project: The project whose resources these are.
            key: A service account's, as in its JSON file; None: the machine's own credentials.
            emulated: Whether every client is for an emulator, which wants no credentials.
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
            self._credentials = await asyncio.to_thread(self._found)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._opened:
            await client.transport.close()

    def client(self, kind: type[Client], emulator: str = "") -> Client:
        """Open a client, on the running event loop.

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

    def _found(self) -> Any:
        try:
            if self._key:
                return service_account.Credentials.from_service_account_info(self._key, scopes=[_SCOPE])
            return google.auth.default(scopes=[_SCOPE])[0]
        except auth.GoogleAuthError as error:
            raise UsageError(f"no Google credentials ({error}); type: {_LOGIN}") from error

    @contextlib.contextmanager
    def translated_errors(self, what: str) -> Iterator[None]:
        """Translate what a call may raise; NotFound is left to those who know what it means.

        Args:
            what: What was being done to which object, as in "deploying lightonocr".

        Raises:
            PagemillError: In our words: what happened, and what to type next.
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
            raise DeploymentFailed(f"{what}: no end within the time that it may take") from error

    def _translated(self, what: str, error: api.GoogleAPIError) -> PagemillError:
        text = str(getattr(error, "message", "") or error)
        if isinstance(error, api.RetryError) and isinstance(error.cause, api.GoogleAPIError):
            return self._translated(what, error.cause)
        if getattr(error, "reason", None) == "SERVICE_DISABLED":
            service = (getattr(error, "metadata", None) or {}).get("service", "SERVICE")
            return self.disabled(service)
        if isinstance(error, (api.PermissionDenied, api.Unauthenticated)):
            return NotAllowed(f"{what}: {text}; infra/terraform/accounts.tf has the permissions that a deployer needs")
        if isinstance(error, api.Aborted):
            return Conflict(f"{what}: somebody else changed it meanwhile ({text}); look at it, then deploy again")
        if isinstance(error, api.AlreadyExists):
            return Conflict(f"{what}: {text}; deploy again")
        return DeploymentFailed(f"{what}: {quota_fix(text, self.project) or text}")

    def disabled(self, service: str) -> ApiDisabled:
        """An API that is off, and how to switch it on."""
        how = f"gcloud services enable {service} --project={self.project}"
        return ApiDisabled(f"the API {service} is off in {self.project}; type: {how}")


def quota_fix(text: str, project: str) -> str:
    """The text with what to do about it, if it is about a quota; otherwise nothing."""
    page = f"https://console.cloud.google.com/iam-admin/quotas?project={project}"
    if found := _MOST_INSTANCES.search(text):
        return (
            f"{text} The region's CPU or memory quota allows {found[1]} instances: set "
            f"PAGEMILL_SERVICE_MAX_INSTANCES={found[1]}, or ask for more CpuAllocPerProjectRegion and "
            f"MemAllocPerProjectRegion at {page}"
        )
    if "gpu" in text.lower() and "quota" in text.lower():
        return (
            f"{text} Ask for NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion (with zonal redundancy: "
            f"NvidiaL4GpuAllocPerProjectRegion) in this region at {page}, or set PAGEMILL_SERVICE_REGION to another"
        )
    if "quota" in text.lower():
        return f"{text} Ask for more at {page}"
    return ""
