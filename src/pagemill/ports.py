"""What the use cases ask of the outside world. Adapters implement these; tests bring their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from pagemill.domain.pages.model import (
    STANDARD_PICTURE,
    CountedPdf,
    Document,
    Picture,
    RejectedEntry,
    Rendering,
    Sampling,
    Transcript,
)

ABSENT = "0"  # the version of an object that does not exist, as in GCS's `if_generation_match=0`


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's bytes and the version they had."""

    data: bytes
    version: str


class LocalCopy(Protocol):
    """A listed document as a file on this machine."""

    @property
    def path(self) -> Path:
        """The file. All processes that open this path read the same file."""

    def check(self) -> None:
        """Check that the file is still what was listed; blocks. Once it is not, it never is again.

        Raises:
            DocumentChanged: It is not.
        """


class DocumentSource(Protocol):
    """Where PDFs come from. All methods block: call them from a thread."""

    name: str  # as the user wrote it
    images: Counter[str]  # image files that were passed over so far, by ending

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in key order, and entries that are rejected; streams, and holds no contents in memory.

        Raises:
            StoreUnusable: The source as a whole cannot be read.
        """

    def local_copy(self, document: Document) -> AbstractContextManager[LocalCopy]:
        """Provide a listed document as a file, which exists until the context ends.

        Raises:
            DocumentUnreadable: The document is gone, or is no longer what was listed.
            DocumentWithheld: It cannot be read, for a reason that other documents may have, too.
        """


class ObjectStore(Protocol):
    """A flat, strongly consistent key-value store. All methods block: call them from a thread."""

    name: str  # as the user wrote it

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in no particular order."""

    def read(self, key: str) -> StoredObject | None:
        """Return the object, or None where there is none.

        Raises:
            StoreUnusable: The store cannot be reached, or refuses us.
        """

    def version(self, key: str) -> str:
        """Return the version an object is at, `ABSENT` where there is none; its content is not transferred.

        Raises:
            StoreUnusable: The store cannot be reached, or refuses us.
        """

    def sizes(self, folder: str, names: Collection[str]) -> Mapping[str, int]:
        """Return the size in bytes of objects directly below a folder, by their names there; one request.

        Args:
            folder: Where they are.
            names: Which; those that are not there are left out.

        Raises:
            StoreUnusable: The store does not let us.
        """

    def write(self, key: str, body: bytes | IO[bytes], *, content_type: str, if_version: str | None = None) -> None:
        """Write an object whole: readers see the old bytes or the new, never a mix.

        Args:
            key: The object's key.
            body: Its content; a file is read from its beginning, whatever its position.
            content_type: Its media type.
            if_version: Write only over this version (`ABSENT`: only if there is none); None: over any version.

        Raises:
            PreconditionFailed: The object is at another version.
            StoreUnusable: The store cannot be reached, or refuses us.
        """

    def discard(self, key: str, *, if_version: str) -> None:
        """Remove an object that is at this version; if it is at another one or gone, do nothing.

        Raises:
            StoreUnusable: The store does not let us.
        """

    def folded(self, key: str) -> str | None:
        """Return a form of a key that is equal for keys that the store does not tell apart.

        None: the store tells all keys apart. A local store knows it after `check_writable`.
        """

    def check_writable(self) -> None:
        """Prove that objects can be written, leaving nothing behind.

        Raises:
            StoreUnusable: Objects cannot be written.
        """


class Rasterizer(Protocol):
    """Renders pages."""

    def counted(self, path: Path) -> AbstractAsyncContextManager[CountedPdf]:
        """Count a PDF's pages. Until the context ends, they can be rendered from the path in the result.

        Raises:
            DocumentUnreadable: The file cannot be opened as a PDF, or has no pages.
        """

    async def render(self, path: Path, number: int, picture: Picture = STANDARD_PICTURE) -> Rendering:
        """Render one page.

        Args:
            path: The document.
            number: The page, 1-based.
            picture: Which picture of it.

        Raises:
            PageUnreadable: The page cannot be rendered; a second try failed, too.
        """


class Witness(Protocol):
    """Looks at page images independently of the model that reads them. It never raises: what it cannot tell is None.

    None: it is too busy, or failed on this image.
    """

    name: str  # with its version

    async def regions(self, png: bytes) -> int | None:
        """Count what may be text on an image: boxes of text, or marks that may be writing.

        0: there is nothing but paper and what scanners leave on it. A page number alone, a signature, a stamp or a
        check mark is more than 0.
        """

    async def turned(self, png: bytes) -> int | None:
        """By how many degrees clockwise an image must be turned to be upright: 0, 90, 180 or 270; None: not sure."""


class Recognizer(Protocol):
    """Reads page images."""

    async def probe(self) -> None:
        """Check once whether the endpoint can read pages; starts the embedded one.

        Raises:
            EndpointUnavailable: It cannot yet.
            EndpointNeverAnswered: The embedded endpoint does not start.
            UsageError: It refuses our credentials, or does not serve the recipe's model.
        """

    async def prove(self) -> None:
        """Let the endpoint read an image that is known to be harmless.

        Raises:
            EndpointUnavailable: It does not read this image either.
            RequestRejected: It refuses this image, too.
            UsageError: It refuses our credentials.
        """

    async def read(self, png: bytes, *, max_tokens: int, sampling: Sampling | None = None) -> Transcript:
        """Return the transcript of one page image; one request, no retries.

        Args:
            png: The image.
            max_tokens: The longest answer, in tokens.
            sampling: How it is sampled; None: as the recipe says.

        Raises:
            EndpointUnavailable: Connection error, timeout, 429, 5xx, or an answer that is no chat completion.
            RequestRejected: The endpoint refuses this request (any other 4xx).
            UsageError: It refuses our credentials.
        """


class SlotPool(Protocol):
    """Limits the pages at the endpoint."""

    def slot(self) -> AbstractAsyncContextManager[object]:
        """Hold one slot: a page is in flight from its send until its result is saved.

        Raises:
            UsageError: There is no limit to take slots from.
        """
