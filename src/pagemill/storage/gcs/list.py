"""PDFs in buckets that a text names, a local file or an object."""

from __future__ import annotations

import contextlib
import io
import re
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from google.api_core import exceptions as api
from google.cloud import storage

from pagemill.domain.pages.matching import matches
from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.domain.pages.period import ALWAYS, Period
from pagemill.domain.wording import encodable
from pagemill.errors import StoreUnusable, UsageError
from pagemill.ports import LocalCopy
from pagemill.storage.files import PrivateCopy
from pagemill.storage.gcs.client import (
    LOOKUPS,
    SCHEME,
    BucketUnusable,
    Location,
    explained,
    listed,
    no_bucket,
    parse_location,
)
from pagemill.storage.gcs.source import LISTED, PDFS, created, described, downloaded, image_kind, is_of, listed_entry
from pagemill.storage.gcs.store import GcsStore
from pagemill.storage.lists import at, entries_in, list_entries
from pagemill.storage.local_source import printable

_AHEAD = 64  # lines that are looked up ahead of the one to be yielded
_LARGEST_LIST_MIB = 64  # of an object: it is in memory while it is read
_GENERATION = re.compile(r"(.*)\t([0-9]+)", re.DOTALL)

_Entries = Iterable[Document | RejectedEntry]


class GcsListedSource:
    """Objects named one a line in a text; blank lines and lines that begin with `#` are skipped.

    A line is `gs://BUCKET/OBJECT`, or `gs://BUCKET/PREFIX/` with a slash at its end: all PDFs below it. A document's
    key is its bucket and its object's name, its version the object's generation.

    After the object, a line may have a tab and a generation, as the lists of uploads do. The object is read if it is
    still at that generation. If it was replaced or deleted, that is a finding and no failure: the upload that replaced
    it is in a list, too.
    """

    def __init__(
        self,
        client: storage.Client,
        path: Path | Location,
        *,
        include: str = "",
        period: Period = ALWAYS,
        largest_bytes: int,
    ) -> None:
        """Configure; nothing is read yet, and no request is sent.

        Args:
            client: A client of Google's library.
            path: The list, a file or an object.
            include: Keep only documents whose key matches this glob; one without `/` is matched with the file name.
            period: Keep only objects that were created in it.
            largest_bytes: Larger objects are refused.
        """
        self.name = str(path)
        self.images: Counter[str] = Counter()
        self._client = client
        self._path = path
        self._include = include
        self._period = period
        self._largest_bytes = largest_bytes

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in the list's order, each once; a wrong line becomes a rejected entry that names it.

        Raises:
            StoreUnusable: The list cannot be read, names nothing, or the service does not answer.
        """
        found = False
        for entry in self._entries():
            found = found or isinstance(entry, Document) or not entry.failed
            yield entry
        if not found:
            wanted = f"matching '{self._include}' " if self._include else ""
            hint = "write one gs://BUCKET/OBJECT a line"
            raise StoreUnusable(
                f"{self.name}: the list names no PDF {wanted}{created(self._period)}that could be read; {hint}"
            )

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
            for number, text in self._lines():
                pending.append(self._begin(number, text, pool, seen))
                if len(pending) == _AHEAD:
                    yield from pending.popleft()()
            while pending:
                yield from pending.popleft()()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _lines(self) -> Generator[tuple[int, str], None, None]:
        """The lines with their numbers.

        Raises:
            StoreUnusable: The list cannot be read.
        """
        if isinstance(self._path, Path):
            return list_entries(self._path)
        return entries_in(io.BytesIO(_content(self._client, self._path)), self.name)

    def _begin(self, number: int, text: str, pool: ThreadPoolExecutor, seen: set[str]) -> Callable[[], _Entries]:
        """Begin to look up a line; the returned function waits for the result."""
        generation = ""
        if pinned := _GENERATION.fullmatch(text):
            text, generation = pinned[1], pinned[2]
        where, key = f"line {number} of {self.name}", text.removeprefix(SCHEME)
        wrong = _wrong(text)
        if wrong:
            # No document has such a key: a bucket's name contains no space.
            return lambda: [RejectedEntry(f"line {number}: {printable(text)}", f"{where}: {wrong}")]
        if key.endswith("/") and not generation:
            return lambda: self._below(where, key, seen)
        if key in seen or not matches(key, self._include):
            return list
        seen.add(key)
        looked_up = pool.submit(self._look_up, where, key, generation)
        return lambda: [entry] if (entry := looked_up.result()) else []

    def _look_up(self, where: str, key: str, generation: str) -> Document | RejectedEntry | None:
        """What a line names; None for an object that was not created in the period."""
        bucket, _, name = key.partition("/")
        blob = self._client.bucket(bucket).blob(name)
        try:
            with explained(bucket, f"{SCHEME}{key}"):
                blob.reload()
        except api.NotFound as error:
            if "bucket does not exist" in error.message:
                return _of_bucket(where, key, no_bucket(bucket))
            if generation:
                return RejectedEntry(key, f"{where}: deleted since it was uploaded", failed=False)
            return RejectedEntry(key, f"{where}: there is no object {SCHEME}{key}; correct or remove the line")
        except BucketUnusable as error:
            return _of_bucket(where, key, error)
        return self._found(where, key, blob, generation) if is_of(blob, self._period) else None

    def _found(self, where: str, key: str, blob: storage.Blob, generation: str) -> Document | RejectedEntry:
        if generation not in {"", str(blob.generation)}:
            reason = f"{where}: replaced since it was uploaded; the new one is in its list"
            return RejectedEntry(key, reason, failed=False)
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
                wanted = matches(below, self._include) and is_of(blob, self._period)
                if not (entry or image) or below in seen or not wanted:
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


def _content(client: storage.Client, location: Location) -> bytes:
    """A list that is an object.

    Raises:
        StoreUnusable: There is no such object, or it is too large for a list.
    """
    blob = client.bucket(location.bucket).blob(location.prefix)
    try:
        with explained(location.bucket, str(location)):
            blob.reload()
    except api.NotFound:
        stored = None
    else:
        if blob.size > _LARGEST_LIST_MIB * 2**20:
            raise StoreUnusable(f"{location}: the list is larger than {_LARGEST_LIST_MIB} MiB; divide it")
        stored = GcsStore(client, Location(location.bucket, "")).read(location.prefix)
    if stored is None:
        raise StoreUnusable(
            f"{location}: there is no such object, and a source in a bucket that ends in .txt is a list; for a prefix, "
            "write a slash after it"
        )
    return stored.data


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
