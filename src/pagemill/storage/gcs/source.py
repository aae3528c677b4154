"""PDFs in a bucket: those below a prefix, or one object. A document's version is its object's generation."""

from __future__ import annotations

import contextlib
import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from google.api_core import exceptions as api
from google.cloud import storage

from pagemill.domain.pages.matching import is_pdf_name, matches
from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.errors import DocumentUnreadable, StoreUnusable
from pagemill.storage.gcs.client import SCHEME, BucketUnusable, Location, crc32c, explained, listed

LISTED = "items(name,generation,size),nextPageToken"


class GcsSource:
    """The PDFs below a prefix, or one object."""

    def __init__(self, client: storage.Client, location: Location, *, include: str = "", largest_bytes: int) -> None:
        """Configure; no request is sent yet.

        Args:
            client: A client of Google's library.
            location: Where the documents are.
            include: Keep only documents whose key matches this glob; one without `/` is matched with the file name.
            largest_bytes: Larger objects are refused.
        """
        self.name = str(location)
        self._client = client
        self._location = location
        self._include = include
        self._largest_bytes = largest_bytes

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in name order, a page of the listing at a time.

        Raises:
            StoreUnusable: The bucket cannot be listed, or holds no PDF there.
        """
        found = False
        for blob in listed(self._client, self._location.bucket, self._location.prefix, LISTED):
            is_object = blob.name == self._location.prefix  # the location is an object; it is listed first
            key = blob.name.rpartition("/")[2] if is_object else self._key(blob.name)
            if key and matches(key, self._include):
                found = True
                yield described(key, blob, self._largest_bytes)
            if is_object:
                break
        if not found:
            wanted = f"matching '{self._include}' " if self._include else ""
            raise StoreUnusable(f"{self.name}: no PDFs {wanted}found (objects whose names end in .pdf)")

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[Path]:
        """Download the listed generation into a temporary file, its checksum verified.

        Raises:
            DocumentUnreadable: That generation is gone, may not be read, or arrives damaged.
        """
        with downloaded(self._client, self._location.bucket, document.location, document.version) as path:
            yield path

    def _key(self, name: str) -> str:
        """The document's key; empty for an object that is not below the location or not a PDF."""
        if self._location.prefix and not name.startswith(f"{self._location.prefix}/"):
            return ""  # the location is `a/b`, and this object is `a/bc`
        return name[len(self._location.name_of("")) :] if is_pdf_name(name) else ""


def described(key: str, blob: storage.Blob, largest_bytes: int) -> Document | RejectedEntry:
    """Turn an object into a document, or into a rejected entry that says why."""
    if blob.size > largest_bytes:
        largest = largest_bytes // 2**20
        return RejectedEntry(key, f"{blob.size:,} bytes are more than PAGEMILL_LARGEST_PDF_MIB, {largest}, allows")
    return Document(key, str(blob.generation), blob.size, blob.name)


@contextlib.contextmanager
def downloaded(client: storage.Client, bucket: str, name: str, generation: str) -> Iterator[Path]:
    """Download one generation of an object into a temporary file, its checksum verified.

    Raises:
        DocumentUnreadable: That generation is gone, may not be read, or arrives damaged.
    """
    blob = client.bucket(bucket).blob(name, generation=int(generation))
    with tempfile.TemporaryDirectory(prefix="pagemill-") as folder:
        path = Path(folder) / "stored"
        try:
            with explained(bucket, f"{SCHEME}{bucket}/{name}"):
                blob.download_to_filename(str(path), raw_download=True, checksum=None)  # `_verify` checks it
        except api.NotFound as error:
            raise DocumentUnreadable("the object was deleted or replaced since it was listed; run again") from error
        except BucketUnusable as error:
            raise DocumentUnreadable(str(error)) from error
        _verify(path, blob)
        yield _unpacked(path) if blob.content_encoding == "gzip" else path


def _verify(path: Path, blob: storage.Blob) -> None:
    """Compare stored bytes with their object's CRC32C.

    The client's own check is not enough: it skips downloads that were interrupted and resumed.
    """
    with path.open("rb") as file:
        if crc32c(file) != blob.crc32c:
            raise DocumentUnreadable("the download does not match the object's checksum; run again")


def _unpacked(path: Path) -> Path:
    """Unpack an object that is stored with `Content-Encoding: gzip`."""
    unpacked = path.with_name("unpacked")
    try:
        with gzip.open(path) as packed, unpacked.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DocumentUnreadable(
            f"the object is stored with Content-Encoding: gzip, but cannot be unpacked: {error}"
        ) from error
    return unpacked
