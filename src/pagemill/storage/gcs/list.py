"""PDFs in buckets that a local text file names."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.api_core import exceptions as api
from google.cloud import storage

from pagemill.domain.pages.matching import matches
from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.domain.wording import encodable
from pagemill.errors import StoreUnusable, UsageError
from pagemill.ports import LocalCopy
from pagemill.storage.files import PrivateCopy
from pagemill.storage.gcs.client import LOOKUPS, SCHEME, BucketUnusable, explained, listed, no_bucket, parse_location
from pagemill.storage.gcs.source import LISTED, PDFS, described, downloaded, image_kind, listed_entry
from pagemill.storage.lists import at, list_entries
from pagemill.storage.local_source import printable

_AHEAD = 64  # lines that are looked up ahead of the one to be yielded

_Entries = Iterable[Document | RejectedEntry]


class GcsListedSource:
    """Objects named one a line in a text file; blank lines and lines that begin with `#` are skipped.

    A line is `gs://BUCKET/OBJECT`, or `gs://BUCKET/PREFIX/` with a slash at its end: all PDFs below it. A document's
    key is its bucket and its object's name, its version the object's generation.
    """

    def __init__(self, client: storage.Client, path: Path, *, include: str = "", largest_bytes: int) -> None:
        """Configure; nothing is read yet, and no request is sent.

        Args:
            client: A client of Google's library.
            path: The list.
            include: Keep only documents whose key matches this glob; one without `/` is matched with the file name.
            largest_bytes: Larger objects are refused.
        """
        self.name = str(path)
        self.images: Counter[str] = Counter()
        self._client = client
        self._path = path
        self._include = include
        self._largest_bytes = largest_bytes

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in the list's order, each once; a wrong line becomes a rejected entry that names it.

        Raises:
            StoreUnusable: The list cannot be read, names nothing, or the service does not answer.
        """
        found = False
        for entry in self._entries():
            found = found or isinstance(entry, Document)
            yield entry
        if not found:
            wanted = f"matching '{self._include}' " if self._include else ""
            hint = "write one gs://BUCKET/OBJECT a line"
            raise StoreUnusable(f"{self.name}: the list names no PDF {wanted}that could be read; {hint}")

    @contextlib.contextmanager
    def local_copy(self, document: Document) -> Iterator[LocalCopy]:
        """Download the listed generation into a temporary file, its checksum verified.

        Raises:
            DocumentUnreadable: That generation is gone, or arrives damaged.
            DocumentWithheld: It may not be read.
        """
        bucket = document.key.partition("/")[0]
        with downloaded(
            self._client, bucket, document.location, document.version, largest_bytes=self._largest_bytes
        ) as path:
            yield PrivateCopy(path)

    def _entries(self) -> Iterator[Document | RejectedEntry]:
        """The entries of all lines, in their order; several are looked up at once: each takes tens of milliseconds."""
        seen: set[str] = set()
        pending: deque[Callable[[], _Entries]] = deque()
        pool = ThreadPoolExecutor(LOOKUPS)
        try:
            for number, text in list_entries(self._path):
                pending.append(self._begin(number, text, pool, seen))
                if len(pending) == _AHEAD:
                    yield from pending.popleft()()
            while pending:
                yield from pending.popleft()()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _begin(self, number: int, text: str, pool: ThreadPoolExecutor, seen: set[str]) -> Callable[[], _Entries]:
        """Begin to look up a line; the returned function waits for the result."""
        where, key = f"line {number} of {self.name}", text.removeprefix(SCHEME)
        wrong = _wrong(text)
        if wrong:
            # No document has such a key: a bucket's name contains no space.
            return lambda: [RejectedEntry(f"line {number}: {printable(text)}", f"{where}: {wrong}")]
        if key.endswith("/"):
            return lambda: self._below(where, key, seen)
        if key in seen or not matches(key, self._include):
            return list
        seen.add(key)
        looked_up = pool.submit(self._look_up, where, key)
        return lambda: [looked_up.result()]

    def _look_up(self, where: str, key: str) -> Document | RejectedEntry:
        bucket, _, name = key.partition("/")
        blob = self._client.bucket(bucket).blob(name)
        try:
            with explained(bucket, f"{SCHEME}{key}"):
                blob.reload()
        except api.NotFound as error:
            if "bucket does not exist" in error.message:
                return _of_bucket(where, key, no_bucket(bucket))
            return RejectedEntry(key, f"{where}: there is no object {SCHEME}{key}; correct or remove the line")
        except BucketUnusable as error:
            return _of_bucket(where, key, error)
        return at(where, described(key, blob, self._largest_bytes))

    def _below(self, where: str, key: str, seen: set[str]) -> Iterator[Document | RejectedEntry]:
        """The PDFs below a prefix, without those that other lines name."""
        bucket, _, prefix = key.partition("/")
        found = False
        try:
            for blob in listed(self._client, bucket, prefix, LISTED):
                below = f"{bucket}/{blob.name}"
                entry = listed_entry(below, blob, self._largest_bytes, self._include)
                found = found or entry is not None
                image = "" if entry else image_kind(blob)
                if not (entry or image) or below in seen or not matches(below, self._include):
                    continue
                seen.add(below)
                if entry:
                    yield at(where, entry)
                else:
                    self.images[image] += 1
        except BucketUnusable as error:
            yield _of_bucket(where, key, error)
            return
        if not found:
            yield RejectedEntry(key, f"{where}: no PDFs below {SCHEME}{key} ({PDFS})")


def _of_bucket(where: str, key: str, error: BucketUnusable) -> RejectedEntry:
    return RejectedEntry(key, f"{where}: {error}", shared_cause=error.cause)


def _wrong(text: str) -> str:
    """Why a line is not valid; empty if it names an object or a prefix."""
    if not text.startswith(SCHEME):
        return f"'{text}' is not gs://BUCKET/OBJECT; a list names either gs:// objects or local files, not both"
    if text != encodable(text):
        return f"'{printable(text)}' is not UTF-8, as names of objects are"
    try:
        location = parse_location(text)
    except UsageError as error:
        return str(error)
    if text == f"{SCHEME}{location.bucket}":
        return f"'{text}' names no object; write gs://BUCKET/OBJECT, or gs://BUCKET/ for all PDFs in the bucket"
    return ""
