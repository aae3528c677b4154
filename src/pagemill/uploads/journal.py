"""The lists of uploads at the destination. They are also the record of which upload belongs to which run.

A watcher may be killed between any two steps, and Pub/Sub then delivers its messages again, in other groups. An upload
that is in a list already is not written into another one: it would be read by two runs.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from pagemill.domain.pages import keys
from pagemill.domain.uploads.lists import list_id, list_text, read_list
from pagemill.domain.uploads.notifications import Upload
from pagemill.ports import ObjectStore

_READS = 8  # at once
_REMEMBERED = dt.timedelta(days=1)  # and what is left of the day before it: later, a run finds the object finished


def utc_now() -> dt.datetime:
    """The time."""
    return dt.datetime.now(dt.UTC)


class Journal:
    """The lists of today and yesterday. All methods block: call them from a thread, one after the other."""

    def __init__(self, store: ObjectStore, clock: Callable[[], dt.datetime] = utc_now) -> None:
        """Configure; nothing is read yet.

        Args:
            store: The destination.
            clock: The time, UTC.
        """
        self._store = store
        self._clock = clock
        self._lists: set[str] = set()  # keys of those that were read
        self._known: dict[bytes, tuple[int, str]] = {}  # of each object, by its digest: newest generation, list's key

    def location(self, key: str) -> str:
        """The whole name of a list."""
        return f"{self._store.name}/{key}"

    def run_key(self, key: str) -> str:
        """What the run of a list is known by: the list's uploads, and where their results go."""
        destination = hashlib.sha256(self._store.name.encode()).hexdigest()[:8]
        return f"uploads/{keys.upload_list_id(key)}-{destination}"

    def refresh(self) -> None:
        """Read the lists that are new, also those of other watchers, and forget those of the day before yesterday.

        Raises:
            StoreUnusable: The destination cannot be read.
        """
        today = self._clock().date()
        found = [key for day in (today - _REMEMBERED, today) for key in self._store.keys(keys.upload_lists(day))]
        written = {key for key in found if keys.upload_list_id(key)}
        if self._lists - written:
            self._known = {object_: entry for object_, entry in self._known.items() if entry[1] in written}
        new = sorted(written - self._lists)
        with ThreadPoolExecutor(_READS) as pool:
            for key, stored in zip(new, pool.map(self._store.read, new), strict=True):
                self._note(key, read_list(stored.data) if stored else ())
        self._lists = written

    def list_with(self, upload: Upload) -> str:
        """The key of a list with this upload, or with a newer one of the same object; empty if there is none."""
        generation, key = self._known.get(_digest(upload), (-1, ""))
        return key if generation >= upload.generation else ""

    def write(self, uploads: Collection[Upload]) -> str:
        """Write a list; return its key.

        Raises:
            StoreUnusable: The destination cannot be written.
        """
        key = keys.upload_list(list_id(uploads), self._clock())
        self._store.write(key, list_text(uploads).encode(), content_type="text/plain; charset=utf-8")
        self._lists.add(key)
        self._note(key, uploads)
        return key

    def _note(self, key: str, uploads: Iterable[Upload]) -> None:
        for upload in uploads:
            digest = _digest(upload)
            self._known[digest] = max(self._known.get(digest, (-1, "")), (upload.generation, key))


def _digest(upload: Upload) -> bytes:
    """Of the object, whatever its generation is: of many objects, names would take too much memory."""
    return hashlib.sha256(upload.location.encode()).digest()[:12]
