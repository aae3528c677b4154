"""Google Cloud Storage: what its sources and stores share, from the names of locations to error messages.

All functions block. The client library retries errors that may pass.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import google_crc32c
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.oauth2 import service_account

from pagemill.config.environment import disable_bucket_lookups
from pagemill.errors import NO_ROOM, NameUnusable, StoreUnusable, UsageError

SCHEME = "gs://"
LOOKUPS = 8  # lines of a list that are looked up at once
_CONNECTIONS = 128  # kept open
_BUCKET = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_CHUNK_BYTES = 2**20
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_NO_PROJECT = "-"  # the client insists on one; reading and writing objects needs none
_LOGIN = "gcloud auth application-default login"


class BucketUnusable(StoreUnusable):
    """This bucket or object cannot be used; others may work."""

    def __init__(self, cause: str, *, name: str = "") -> None:
        """Describe the trouble.

        Args:
            cause: What is wrong, in words that name no object: others of the bucket may have the same.
            name: Of the object; empty: the whole bucket is meant.
        """
        super().__init__(f"{name}: {cause}" if name else cause)
        self.cause = cause


class RequestRefused(BucketUnusable, NameUnusable):
    """The service takes a request for wrong, as one with a name that no object can have."""


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket and a prefix of object names."""

    bucket: str
    prefix: str  # without a slash at its end; empty: the whole bucket

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def name_of(self, key: str) -> str:
        """The object's name for a key below this location."""
        return f"{self.prefix}/{key}" if self.prefix else key


def parse_location(text: str) -> Location:
    """Read `gs://bucket/prefix`.

    Raises:
        UsageError: It names no bucket, or the bucket's name is invalid.
    """
    bucket, _, prefix = text.removeprefix(SCHEME).partition("/")
    if not bucket or not text.startswith(SCHEME):
        raise UsageError(f"'{text}' names no bucket; write gs://BUCKET/PREFIX")
    if not _BUCKET.fullmatch(bucket):
        letters = "lowercase letters, digits, dots, dashes and underscores"
        raise UsageError(f"'{text}': '{bucket}' is not a valid bucket name; it may contain only {letters}")
    return Location(bucket, prefix.rstrip("/"))


def open_client(project: str, key: Mapping[str, Any] | None = None) -> storage.Client:
    """Open a client with the machine's own credentials; an emulator gets none.

    Args:
        project: The client's project; may be empty: reading and writing objects needs none.
        key: A service account's key, as in its JSON file; used instead of the machine's credentials.

    Raises:
        StoreUnusable: There are no credentials.
    """
    disable_bucket_lookups()
    try:
        credentials = service_account.Credentials.from_service_account_info(key, scopes=[_SCOPE]) if key else None
        client = storage.Client(project=project or _NO_PROJECT, credentials=credentials)
    except auth.GoogleAuthError as error:
        raise StoreUnusable(f"no Google credentials ({error}); type: {_LOGIN}") from error
    _keep_connections(client)
    return client


def _keep_connections(client: storage.Client) -> None:
    """Let as many connections stay open as requests are sent at once. The client keeps ten, and opens others anew."""
    session = client._http  # noqa: SLF001 -- the client has no public name for it
    if not getattr(session, "is_mtls", False):  # such a session has adapters of its own
        for scheme in ("https://", "http://"):
            session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS))


def listed(
    client: storage.Client, bucket: str, prefix: str, fields: str, *, delimiter: str | None = None
) -> Iterator[storage.Blob]:
    """List objects, a page at a time.

    Args:
        client: The client library's.
        bucket: Where.
        prefix: Of the names.
        fields: What to transfer, in the service's own notation.
        delimiter: Leave out names that have it after the prefix.

    Raises:
        BucketUnusable: The bucket does not exist, or may not be listed.
        StoreUnusable: There are no credentials, or the service does not answer.
    """
    blobs = iter(client.list_blobs(bucket, prefix=prefix or None, fields=fields, delimiter=delimiter))
    while True:
        with in_bucket(bucket, f"{SCHEME}{bucket}/{prefix}".rstrip("/")):
            blob = next(blobs, None)
        if blob is None:
            return
        yield blob


@contextlib.contextmanager
def in_bucket(bucket: str, name: str) -> Iterator[None]:
    """Translate permanent errors where NotFound means that the bucket does not exist."""
    try:
        with explained(bucket, name):
            yield
    except api.NotFound as error:
        raise no_bucket(bucket) from error


@contextlib.contextmanager
def explained(bucket: str, name: str) -> Iterator[None]:
    """Translate permanent errors; NotFound, PreconditionFailed, DataCorruption and a full disk are the caller's."""
    try:
        yield
    except (api.NotFound, api.PreconditionFailed, DataCorruption):
        raise
    except api.Forbidden as error:
        how = grant(bucket, "roles/storage.objectUser")
        raise BucketUnusable(f"no permission ({_said_by(error)}); {how}", name=name) from error
    except api.BadRequest as error:
        cause = f"Google Cloud Storage rejects the request: {_said_by(error)}"
        raise RequestRefused(cause, name=name) from error
    except (auth.GoogleAuthError, api.Unauthorized) as error:
        raise StoreUnusable(f"{name}: no usable Google credentials ({error}); type: {_LOGIN}") from error
    except (api.GoogleAPIError, requests.RequestException, OSError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise  # the disk's, not the service's
        raise StoreUnusable(f"{name}: Google Cloud Storage does not answer as expected: {error}") from error


def _said_by(error: api.GoogleAPICallError) -> str:
    """The service's own message; the client adds the request before it, and sometimes the expected status after it."""
    try:
        return str(error.response.json()["error"]["message"])
    except (AttributeError, KeyError, TypeError, ValueError):
        text = error.response.text if error.response is not None else ""
        return " ".join(text.split()) or str(error.message)


def no_bucket(bucket: str) -> BucketUnusable:
    """The error for a bucket that does not exist; it says how to create the bucket."""
    return BucketUnusable(f"there is no bucket {bucket}; create it: gcloud storage buckets create {SCHEME}{bucket}")


def grant(bucket: str, role: str) -> str:
    """The command that grants a missing permission."""
    return f"grant it: gcloud storage buckets add-iam-policy-binding {SCHEME}{bucket} --member=MEMBER --role={role}"


def crc32c(file: IO[bytes]) -> str:
    """The CRC32C of a whole file, in base64 as the service writes it."""
    file.seek(0)
    checksum = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    deque(checksum.consume(file, _CHUNK_BYTES), maxlen=0)  # type: ignore[no-untyped-call]
    return base64.b64encode(checksum.digest()).decode()  # type: ignore[no-untyped-call]
