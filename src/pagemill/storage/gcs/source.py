"""PDFs in a bucket: those below a prefix, or one object. A document's version is its object's generation."""

from __future__ import annotations

import contextlib
import gzip
import mimetypes
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from google.api_core import exceptions as api
from google.cloud import storage

from pagemill.domain.pages.matching import is_pdf_name, matches, may_be_misnamed
from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.errors import DocumentUnreadable, DocumentWithheld, StoreUnusable
from pagemill.ports import LocalCopy
from pagemill.storage.files import PrivateCopy
from pagemill.storage.gcs.client import SCHEME, BucketUnusable, Location, crc32c, explained, listed

LISTED = "items(name,generation,size,contentType),nextPageToken"
_PDF_TYPES = {"application/pdf", "application/x-pdf"}
_UNKNOWN_TYPE = "application/octet-stream"
_GZIP = b"\x1f\x8b"  # how every gzip file begins


class GcsSource:
    """The PDFs below a prefix, or one object.

    A document's key is its object's name below the prefix. A single object's key is its whole name: two objects of one
    bucket have different keys, whichever source names them.
    """

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
            key = blob.name if is_object else self._key(blob.name)
            if key and matches(key, self._include):
                entry = (
                    described(key, blob, self._largest_bytes)
                    if is_object
                    else listed_entry(key, blob, self._largest_bytes)
                )
                found = found or entry is not None
                yield from [entry] if entry else []
            if is_object:
                break
        if not found:
            wanted = f"matching '{self._include}' " if self._include else ""
            raise StoreUnusable(f"{self.name}: no PDFs {wanted}found (objects whose names end in .pdf)")

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[LocalCopy]:
        """Download the listed generation into a temporary file, its checksum verified.

        Raises:
            DocumentUnreadable: That generation is gone, or arrives damaged.
            DocumentWithheld: It may not be read.
        """
        with downloaded(self._client, self._location.bucket, document.location, document.version) as path:
            yield PrivateCopy(path)

    def _key(self, name: str) -> str:
        """The document's key; empty for an object that is not below the location."""
        if self._location.prefix and not name.startswith(f"{self._location.prefix}/"):
            return ""  # the location is `a/b`, and this object is `a/bc`
        return name[len(self._location.name_of("")) :]


def listed_entry(key: str, blob: storage.Blob, largest_bytes: int) -> Document | RejectedEntry | None:
    """An object of a listing as a document if its name is a PDF's; None if it is something else.

    An object that is a PDF by its type, or nearly by its name, is rejected: nobody would notice that it is not read.
    """
    if is_pdf_name(blob.name):
        return described(key, blob, largest_bytes)
    last = blob.name.rpartition("/")[2]
    if not last or last.startswith("."):
        return None
    named_type = mimetypes.guess_type(last)[0] or _UNKNOWN_TYPE
    if named_type == _UNKNOWN_TYPE and blob.content_type in _PDF_TYPES:
        how = f"name it in a list: {SCHEME}{blob.bucket.name}/{blob.name}"
        return RejectedEntry(key, f"a PDF by its type, whose name does not end in .pdf; {how}", has_folder=False)
    if named_type == _UNKNOWN_TYPE and ".pdf" in last.lower() and may_be_misnamed(last):
        return RejectedEntry(key, "a name that does not quite end in .pdf; rename the object", has_folder=False)
    return None


def described(key: str, blob: storage.Blob, largest_bytes: int) -> Document | RejectedEntry:
    """Turn an object into a document, or into a rejected entry that says why."""
    if blob.size > largest_bytes:
        largest = largest_bytes // 2**20
        return RejectedEntry(key, f"{blob.size:,} bytes are more than PAGEMILL_LARGEST_PDF_MIB, {largest}, allows")
    source = f"{SCHEME}{blob.bucket.name}/{blob.name}"
    return Document(key, str(blob.generation), blob.size, blob.name, source=source)


@contextlib.contextmanager
def downloaded(client: storage.Client, bucket: str, name: str, generation: str) -> Iterator[Path]:
    """Download one generation of an object into a temporary file, its checksum verified.

    Raises:
        DocumentUnreadable: That generation is gone, or arrives damaged.
        DocumentWithheld: It may not be read.
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
            raise DocumentWithheld(str(error), cause=error.cause) from error
        _verify(path, blob)
        yield _unpacked(path) if _is_packed(path, blob) else path


def _verify(path: Path, blob: storage.Blob) -> None:
    """Compare stored bytes with their object's CRC32C.

    The client's own check is not enough: it skips downloads that were interrupted and resumed.
    """
    with path.open("rb") as file:
        if crc32c(file) != blob.crc32c:
            raise DocumentUnreadable("the download does not match the object's checksum; run again")


def _is_packed(path: Path, blob: storage.Blob) -> bool:
    """Whether an object is packed: some programs write plain bytes and say `Content-Encoding: gzip`."""
    if (blob.content_encoding or "").strip().lower() not in {"gzip", "x-gzip"}:
        return False
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


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
