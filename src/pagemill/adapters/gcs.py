"""Google Cloud Storage: documents from a bucket, results into one.

An object's version is its generation. Calls are retried by the client library, uploads included: those of checkpoints
carry a precondition, and of a document's texts the last writer counts. Everything here blocks.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import shutil
import tempfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import google_crc32c
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from pagemill.domain.matching import is_pdf_name, matches
from pagemill.domain.model import Document, Refusal
from pagemill.errors import DocumentUnreadable, PreconditionFailed, StoreUnusable, UsageError
from pagemill.ports import StoredObject

_SCHEME = "gs://"
_CHUNK_BYTES = 2**20
_NO_PROJECT = "-"  # the client insists on one; reading and writing objects needs none
_LOGIN = "gcloud auth application-default login"
_LISTED = "items(name,generation,size),nextPageToken"
_NEEDED_TO_WRITE = ["storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"]


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket, and what the names in it begin with."""

    bucket: str
    prefix: str  # without a slash at its end; empty: the whole bucket

    def __str__(self) -> str:
        return f"{_SCHEME}{self.bucket}/{self.prefix}".rstrip("/")

    def name_of(self, key: str) -> str:
        """The object's name for a key below this location."""
        return f"{self.prefix}/{key}" if self.prefix else key


def parse_location(text: str) -> Location:
    """Read `gs://bucket/prefix`.

    Raises:
        UsageError: There is no bucket in it.
    """
    bucket, _, prefix = text.removeprefix(_SCHEME).partition("/")
    if not bucket or not text.startswith(_SCHEME):
        raise UsageError(f"'{text}' names no bucket; write gs://BUCKET/PREFIX")
    return Location(bucket, prefix.rstrip("/"))


def open_client(project: str) -> storage.Client:
    """A client with the machine's own credentials; without any towards an emulator.

    Args:
        project: Whom calls are billed to, where a bucket lets its readers pay; may be empty.

    Raises:
        StoreUnusable: There are no credentials.
    """
    try:
        return storage.Client(project=project or _NO_PROJECT)
    except auth.GoogleAuthError as error:
        raise StoreUnusable(f"no Google credentials ({error}); type: {_LOGIN}") from error


class GcsSource:
    """The PDFs below a prefix, or the one object that a name is."""

    def __init__(self, client: storage.Client, location: Location, *, include: str = "", largest_bytes: int) -> None:
        """Configure; nothing is asked yet.

        Args:
            client: The client library's.
            location: Where the documents are.
            include: Keep only documents whose key matches this glob; one without `/` is matched with the file name.
            largest_bytes: Larger objects are refused.
        """
        self.name = str(location)
        self._client = client
        self._location = location
        self._include = include
        self._largest_bytes = largest_bytes

    def documents(self) -> Iterator[Document | Refusal]:
        """Yield the documents in name order, a page of the listing at a time.

        Raises:
            StoreUnusable: The bucket cannot be listed, or holds no PDF there.
        """
        found = False
        for blob in _listed(self._client, self._location, self._location.prefix, _LISTED):
            key = self._key(blob.name)
            if key and matches(key, self._include):
                found = True
                yield self._entry(key, blob)
        if not found:
            wanted = f"matching '{self._include}' " if self._include else ""
            raise StoreUnusable(f"{self.name}: no PDFs {wanted}there (objects whose names end in .pdf)")

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[Path]:
        """Download the listed generation into a temporary file, its checksum verified.

        Raises:
            DocumentUnreadable: That generation is gone, or arrives damaged.
        """
        name = self._location.name_of(document.key) if document.key != self._own_key() else self._location.prefix
        blob = self._client.bucket(self._location.bucket).blob(name, generation=int(document.version))
        with tempfile.TemporaryDirectory(prefix="pagemill-") as folder:
            path = Path(folder) / "stored"
            try:
                with _explained(self._location.bucket, f"{_SCHEME}{self._location.bucket}/{name}"):
                    blob.download_to_filename(str(path), raw_download=True, checksum=None)  # `_verify` checks it
            except api.NotFound as error:
                raise DocumentUnreadable("the object was deleted or replaced since it was listed; run again") from error
            _verify(path, blob)
            yield _unpacked(path) if blob.content_encoding == "gzip" else path

    def _own_key(self) -> str:
        """The key of the object that the location itself may be."""
        return self._location.prefix.rpartition("/")[2]

    def _key(self, name: str) -> str:
        """The document's key; empty for an object that is none of ours."""
        if name == self._location.prefix:
            return self._own_key()
        if self._location.prefix and not name.startswith(f"{self._location.prefix}/"):
            return ""  # `a/b` is asked for, and this is `a/bc`
        return name[len(self._location.name_of("")) :] if is_pdf_name(name) else ""

    def _entry(self, key: str, blob: storage.Blob) -> Document | Refusal:
        if blob.size > self._largest_bytes:
            largest = self._largest_bytes // 2**20
            return Refusal(key, f"{blob.size:,} bytes are more than PAGEMILL_LARGEST_PDF_MIB, {largest}, allows")
        return Document(key, str(blob.generation), blob.size)


class GcsStore:
    """Objects below a prefix of a bucket."""

    def __init__(self, client: storage.Client, location: Location) -> None:
        """Configure; nothing is asked yet."""
        self.name = str(location)
        self._client = client
        self._bucket = client.bucket(location.bucket)
        self._location = location

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`.

        Raises:
            StoreUnusable: The bucket cannot be listed.
        """
        begin = len(self._location.name_of(""))
        wanted = self._location.name_of(prefix)
        for blob in _listed(self._client, self._location, wanted, "items(name),nextPageToken"):
            yield blob.name[begin:]

    def read(self, key: str) -> StoredObject | None:
        """Return the object, or None where there is none.

        Raises:
            StoreUnusable: The bucket cannot be read.
        """
        blob = self._bucket.blob(self._location.name_of(key))
        try:
            with _explained(self._location.bucket, f"{self.name}/{key}"):
                data = blob.download_as_bytes(checksum="crc32c")
        except api.NotFound:
            return None
        except DataCorruption as error:
            raise StoreUnusable(f"{self.name}/{key} arrives damaged, again and again: {error}") from error
        return StoredObject(data, str(blob.generation))

    def write(self, key: str, body: bytes | IO[bytes], *, content_type: str, if_version: str | None = None) -> None:
        """Write an object whole, its checksum verified by the service.

        Raises:
            PreconditionFailed: The object is at another generation.
            StoreUnusable: The bucket cannot be written.
        """
        blob = self._bucket.blob(self._location.name_of(key))
        generation = int(if_version) if if_version is not None else None
        options = {"content_type": content_type, "if_generation_match": generation, "retry": DEFAULT_RETRY}
        try:
            with _in_bucket(self._location.bucket, f"{self.name}/{key}"):
                if isinstance(body, bytes):
                    blob.upload_from_string(body, checksum="crc32c", **options)
                else:
                    blob.upload_from_file(body, rewind=True, checksum="crc32c", **options)
        except api.PreconditionFailed as error:
            raise PreconditionFailed(f"{self.name}/{key} is not at the generation the writer expected") from error

    def check_writable(self) -> None:
        """Ask whether we may write; writes nothing.

        Raises:
            StoreUnusable: We may not, or there is no such bucket.
        """
        with _in_bucket(self._location.bucket, self.name):
            granted = self._bucket.test_iam_permissions(_NEEDED_TO_WRITE)
        missing = sorted(set(_NEEDED_TO_WRITE) - set(granted))
        if missing:
            raise StoreUnusable(
                f"the destination {self.name} cannot be written: {', '.join(missing)} missing; "
                + _grant(self._location.bucket, "roles/storage.objectUser")
            )


def _verify(path: Path, blob: storage.Blob) -> None:
    """Compare stored bytes with their object's CRC32C.

    The client's own check is no substitute: it skips a download that broke off and was resumed.
    """
    checksum = google_crc32c.Checksum()  # type: ignore[no-untyped-call]
    with path.open("rb") as file:
        deque(checksum.consume(file, _CHUNK_BYTES), maxlen=0)  # type: ignore[no-untyped-call]
    if base64.b64encode(checksum.digest()).decode() != blob.crc32c:  # type: ignore[no-untyped-call]
        raise DocumentUnreadable("the download does not match the object's checksum; run again")


def _unpacked(path: Path) -> Path:
    """What an object holds that is stored with `Content-Encoding: gzip`."""
    unpacked = path.with_name("unpacked")
    try:
        with gzip.open(path) as packed, unpacked.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DocumentUnreadable(f"the object says that it is gzip, but does not unpack: {error}") from error
    return unpacked


def _listed(client: storage.Client, location: Location, prefix: str, fields: str) -> Iterator[storage.Blob]:
    """List objects, a page at a time; what is wrong with the bucket is said in our words."""
    blobs = iter(client.list_blobs(location.bucket, prefix=prefix or None, fields=fields))
    while True:
        with _in_bucket(location.bucket, str(location)):
            blob = next(blobs, None)
        if blob is None:
            return
        yield blob


@contextlib.contextmanager
def _in_bucket(bucket: str, name: str) -> Iterator[None]:
    """Translate what no retry mends, where only the bucket itself can be missing."""
    try:
        with _explained(bucket, name):
            yield
    except api.NotFound as error:
        create = f"gcloud storage buckets create {_SCHEME}{bucket}"
        raise StoreUnusable(f"there is no bucket {bucket}; create it: {create}") from error


@contextlib.contextmanager
def _explained(bucket: str, name: str) -> Iterator[None]:
    """Translate what no retry mends; NotFound, PreconditionFailed and DataCorruption are left to those who know."""
    try:
        yield
    except (api.NotFound, api.PreconditionFailed, DataCorruption):
        raise
    except api.Forbidden as error:
        raise StoreUnusable(
            f"{name}: no permission ({error.message}); {_grant(bucket, 'roles/storage.objectUser')}"
        ) from error
    except (auth.GoogleAuthError, api.Unauthorized) as error:
        raise StoreUnusable(f"{name}: no usable Google credentials ({error}); type: {_LOGIN}") from error
    except (api.GoogleAPIError, requests.RequestException, OSError) as error:
        raise StoreUnusable(f"{name}: Google Cloud Storage does not answer as it should: {error}") from error


def _grant(bucket: str, role: str) -> str:
    return f"grant it: gcloud storage buckets add-iam-policy-binding {_SCHEME}{bucket} --member=MEMBER --role={role}"
