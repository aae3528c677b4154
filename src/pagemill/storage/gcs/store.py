"""Results in a bucket. An object's version is its generation."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import IO

import requests
import stamina
from google.api_core import exceptions as api
from google.cloud import storage
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from pagemill.errors import PreconditionFailed, StoreUnusable
from pagemill.ports import ABSENT, StoredObject
from pagemill.storage.gcs.client import Location, crc32c, explained, grant, in_bucket, listed

_NEEDED_TO_WRITE = ("storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list")
_SIZES = "items(name,size),nextPageToken"


class GcsStore:
    """Objects below a prefix of a bucket."""

    def __init__(
        self, client: storage.Client, location: Location, *, permissions: Sequence[str] = _NEEDED_TO_WRITE
    ) -> None:
        """Configure; no request is sent yet.

        Args:
            client: A client of Google's library.
            location: Where the objects are.
            permissions: The permissions that `check_writable` requires.
        """
        self.name = str(location)
        self._permissions = permissions
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
        for blob in listed(self._client, self._location.bucket, wanted, "items(name),nextPageToken"):
            yield blob.name[begin:]

    def read(self, key: str) -> StoredObject | None:
        """Return the object, or None where there is none.

        Raises:
            StoreUnusable: The bucket cannot be read.
        """
        blob = self._blob(key)
        try:
            with explained(self._location.bucket, f"{self.name}/{key}"):
                data = _downloaded(blob)
        except api.NotFound:
            return None
        except DataCorruption as error:
            raise StoreUnusable(f"{self.name}/{key} arrives damaged at every attempt: {error}") from error
        return StoredObject(data, str(blob.generation))

    def version(self, key: str) -> str:
        """Return the object's generation, `ABSENT` where there is none; its content is not transferred.

        Raises:
            StoreUnusable: The bucket cannot be read.
        """
        found = self._metadata(key)
        return str(found.generation) if found else ABSENT

    def sizes(self, folder: str, names: Collection[str]) -> Mapping[str, int]:
        """Return the size in bytes of objects directly below a folder, by name; those that are not there are left out.

        This is one listing, without what is deeper.

        Raises:
            StoreUnusable: The bucket cannot be listed.
        """
        prefix = self._location.name_of(f"{folder}/")
        found = listed(self._client, self._location.bucket, prefix, _SIZES, delimiter="/")
        sizes = {blob.name.removeprefix(prefix): blob.size for blob in found}
        return {name: sizes[name] for name in names if name in sizes}

    def write(self, key: str, body: bytes | IO[bytes], *, content_type: str, if_version: str | None = None) -> None:
        """Write an object whole, its checksum verified by the service.

        Raises:
            PreconditionFailed: The object is at another generation.
            StoreUnusable: The bucket cannot be written.
        """
        generation = int(if_version) if if_version is not None else None
        options = {"content_type": content_type, "if_generation_match": generation, "retry": DEFAULT_RETRY}
        blob = self._blob(key)
        try:
            with in_bucket(self._location.bucket, f"{self.name}/{key}"):
                if isinstance(body, bytes):
                    blob.upload_from_string(body, checksum="crc32c", **options)
                else:
                    size = body.seek(0, io.SEEK_END)  # with a known size, a small object takes one request, not two
                    blob.upload_from_file(body, rewind=True, size=size, checksum="crc32c", **options)
        except api.PreconditionFailed as error:
            if not self._holds(key, body):
                raise PreconditionFailed(f"{self.name}/{key} is not at the generation the writer expected") from error

    def discard(self, key: str, *, if_version: str) -> None:
        """Remove an object that is at this generation.

        Raises:
            StoreUnusable: The bucket cannot be written.
        """
        with (
            contextlib.suppress(api.NotFound, api.PreconditionFailed),
            explained(self._location.bucket, f"{self.name}/{key}"),
        ):
            self._blob(key).delete(if_generation_match=int(if_version), retry=DEFAULT_RETRY)

    def folded(self, key: str) -> None:
        """None: the service tells all names apart."""

    def check_writable(self) -> None:
        """Ask whether we have the permissions to write; writes nothing.

        Raises:
            StoreUnusable: Permissions are missing, or there is no such bucket.
        """
        with in_bucket(self._location.bucket, self.name):
            granted = self._bucket.test_iam_permissions(list(self._permissions))
        missing = sorted(set(self._permissions) - set(granted))
        if missing:
            raise StoreUnusable(
                f"the destination {self.name} cannot be written: {', '.join(missing)} missing; "
                + grant(self._location.bucket, "roles/storage.objectUser")
            )

    def _holds(self, key: str, body: bytes | IO[bytes]) -> bool:
        """Tell whether the object already has this content, by its size and checksum.

        If an answer is lost, the client uploads again. If the first upload had arrived, the second one fails because of
        the first one's object.
        """
        found = self._metadata(key)
        file = io.BytesIO(body) if isinstance(body, bytes) else body
        if not found:
            return False
        return bool(found.size == file.seek(0, io.SEEK_END) and found.crc32c == crc32c(file))

    def _metadata(self, key: str) -> storage.Blob | None:
        """The object's metadata, if there is one."""
        blob = self._blob(key)
        try:
            with explained(self._location.bucket, f"{self.name}/{key}"):
                blob.reload()
        except api.NotFound:
            return None
        return blob

    def _blob(self, key: str) -> storage.Blob:
        return self._bucket.blob(self._location.name_of(key))


@stamina.retry(on=(requests.RequestException, DataCorruption), attempts=5)
def _downloaded(blob: storage.Blob) -> bytes:
    """Download an object's content; retry when the download breaks off, which the client does not do in all cases.

    The checksum is compared here because the client does not compare it after it has resumed a download.
    """
    data: bytes = blob.download_as_bytes(checksum=None)
    if crc32c(io.BytesIO(data)) != blob.crc32c:
        raise DataCorruption(None, "the content does not match its checksum")
    return data
