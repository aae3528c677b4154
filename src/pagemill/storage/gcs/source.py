"""PDFs in a bucket: those below a prefix, or one object. A document's version is its object's generation."""

from __future__ import annotations

import contextlib
import gzip
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from google.api_core import exceptions as api
from google.cloud import storage

from pagemill.config.temporary_folder import temporary_files
from pagemill.domain.pages.matching import (
    asks_for,
    image_ending,
    is_pdf_object,
    matches,
    may_be_misnamed,
    says_nothing,
)
from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.domain.pages.period import ALWAYS, Period
from pagemill.domain.wording import passed_over
from pagemill.errors import DocumentUnreadable, DocumentWithheld, StoreUnusable
from pagemill.ports import LocalCopy
from pagemill.storage.files import PrivateCopy
from pagemill.storage.gcs.client import SCHEME, BucketUnusable, Location, crc32c, explained, listed

PDFS = "objects whose names end in .pdf, or of type application/pdf"
LISTED = "items(name,generation,size,contentType,contentEncoding,timeCreated),nextPageToken"
_CHUNK_BYTES = 2**20
_GZIP = b"\x1f\x8b"  # how every gzip file begins


class GcsSource:
    """The PDFs below a prefix, or one object.

    A document's key is its object's name below the prefix. A single object's key is its whole name: two objects of one
    bucket have different keys, whichever source names them.
    """

    def __init__(
        self,
        client: storage.Client,
        location: Location,
        *,
        include: str = "",
        period: Period = ALWAYS,
        largest_bytes: int,
    ) -> None:
        """Configure; no request is sent yet.

        Args:
            client: A client of Google's library.
            location: Where the documents are.
            include: Keep only documents whose key matches this glob; one without `/` is matched with the file name.
                One that does not end in .pdf also asks for PDFs of other names.
            period: Keep only objects that were created in it.
            largest_bytes: Larger objects are refused.
        """
        self.name = str(location)
        self.images: Counter[str] = Counter()
        self._client = client
        self._location = location
        self._include = include
        self._period = period
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
            if key and matches(key, self._include) and is_of(blob, self._period):
                entry = (
                    described(key, blob, self._largest_bytes)
                    if is_object
                    else listed_entry(key, blob, self._largest_bytes, self._include)
                )
                found = found or entry is not None
                yield from [entry] if entry else []
                if not entry and (image := image_kind(blob)):
                    self.images[image] += 1
            if is_object:
                break
        if not found:
            wanted = f"matching '{self._include}' " if self._include else ""
            beside = f"; {passed_over(self.images)}" if self.images else ""
            raise StoreUnusable(f"{self.name}: no PDFs {wanted}{created(self._period)}found ({PDFS}){beside}")

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[LocalCopy]:
        """Download the listed generation into a temporary file, its checksum verified.

        Raises:
            DocumentUnreadable: That generation is gone, or arrives damaged.
            DocumentWithheld: It may not be read.
        """
        bucket, name = self._location.bucket, document.location
        with downloaded(self._client, bucket, name, document.version, largest_bytes=self._largest_bytes) as path:
            yield PrivateCopy(path)

    def _key(self, name: str) -> str:
        """The document's key; empty for an object that is not below the location."""
        if self._location.prefix and not name.startswith(f"{self._location.prefix}/"):
            return ""  # the location is `a/b`, and this object is `a/bc`
        return name[len(self._location.name_of("")) :]


def is_of(blob: storage.Blob, period: Period) -> bool:
    """Whether an object was created in a period."""
    return not period or blob.time_created in period


def created(period: Period) -> str:
    """Words that say which objects are wanted; empty if all are."""
    return f"created {period}" if period else ""


def listed_entry(key: str, blob: storage.Blob, largest_bytes: int, include: str) -> Document | RejectedEntry | None:
    """An object of a listing as a document if it is a PDF by its name or type; None if it is something else.

    An object that is nearly a PDF by its name is rejected: nobody would notice that it is not read. If `include` asks
    for it, it is read.
    """
    last = blob.name.rpartition("/")[2]
    misnamed = ".pdf" in last.lower() and may_be_misnamed(last) and says_nothing(last)
    if is_pdf_object(blob.name, str(blob.content_type or "")) or (misnamed and asks_for(key, include)):
        return described(key, blob, largest_bytes)
    if misnamed:
        reason = "a name that does not quite end in .pdf; rename the object, or name it with --include"
        return RejectedEntry(key, reason, has_folder=False)
    return None


def image_kind(blob: storage.Blob) -> str:
    """The ending of an image's name, or its type where the name says nothing; empty for anything else."""
    if ending := image_ending(blob.name):
        return ending
    last = blob.name.rpartition("/")[2]
    is_image = bool(last) and not last.startswith(".") and str(blob.content_type or "").startswith("image/")
    return str(blob.content_type) if is_image else ""


def described(key: str, blob: storage.Blob, largest_bytes: int) -> Document | RejectedEntry:
    """Turn an object into a document, or into a rejected entry that says why."""
    if blob.size > largest_bytes:
        largest = largest_bytes // 2**20
        return RejectedEntry(key, f"{blob.size:,} bytes are more than PAGEMILL_LARGEST_PDF_MIB, {largest}, allows")
    source = f"{SCHEME}{blob.bucket.name}/{blob.name}"
    copy_bytes = blob.size + (largest_bytes if _says_packed(blob) else 0)  # its unpacked size is not known yet
    return Document(key, str(blob.generation), blob.size, blob.name, copy_bytes=copy_bytes, source=source)


@contextlib.contextmanager
def downloaded(
    client: storage.Client, bucket: str, name: str, generation: str, *, largest_bytes: int
) -> Iterator[Path]:
    """Download one generation of an object into a temporary file, its checksum verified.

    Raises:
        DocumentUnreadable: That generation is gone, arrives damaged, or unpacks to more than `largest_bytes`.
        DocumentWithheld: It may not be read.
        NoRoomLeft: The temporary folder is full.
    """
    blob = client.bucket(bucket).blob(name, generation=int(generation))
    with temporary_files():
        folder = tempfile.TemporaryDirectory(prefix="pagemill-")
    with folder as inside:
        path = Path(inside) / "stored"
        with temporary_files():
            _download(blob, path)
            _verify(path, blob)
            if _is_packed(path, blob):
                path = _unpacked(path, largest_bytes)
        yield path


def _download(blob: storage.Blob, path: Path) -> None:
    bucket = blob.bucket.name
    try:
        with explained(bucket, f"{SCHEME}{bucket}/{blob.name}"):
            blob.download_to_filename(str(path), raw_download=True, checksum=None)  # `_verify` checks it
    except api.NotFound as error:
        raise DocumentUnreadable("the object was deleted or replaced since it was listed; run again") from error
    except BucketUnusable as error:
        raise DocumentWithheld(str(error), cause=error.cause) from error


def _verify(path: Path, blob: storage.Blob) -> None:
    """Compare stored bytes with their object's CRC32C.

    The client's own check is not enough: it skips downloads that were interrupted and resumed.
    """
    with path.open("rb") as file:
        if crc32c(file) != blob.crc32c:
            raise DocumentUnreadable("the download does not match the object's checksum; run again")


def _is_packed(path: Path, blob: storage.Blob) -> bool:
    """Whether an object is packed: some programs write plain bytes and say `Content-Encoding: gzip`."""
    if not _says_packed(blob):
        return False
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _says_packed(blob: storage.Blob) -> bool:
    return (blob.content_encoding or "").strip().lower() in {"gzip", "x-gzip"}


def _unpacked(path: Path, largest_bytes: int) -> Path:
    """Unpack an object that is stored with `Content-Encoding: gzip`; the packed file is deleted.

    Raises:
        DocumentUnreadable: It is damaged, or its content is too large.
    """
    unpacked = path.with_name("unpacked")
    try:
        with gzip.open(path) as packed, unpacked.open("wb") as file:
            while chunk := packed.read(_CHUNK_BYTES):
                if file.tell() + len(chunk) > largest_bytes:
                    raise DocumentUnreadable(
                        f"the object is stored with Content-Encoding: gzip, and what it holds is larger than "
                        f"PAGEMILL_LARGEST_PDF_MIB, {largest_bytes // 2**20}, allows"
                    )
                file.write(chunk)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DocumentUnreadable(
            f"the object is stored with Content-Encoding: gzip, but cannot be unpacked: {error}"
        ) from error
    path.unlink()
    return unpacked
