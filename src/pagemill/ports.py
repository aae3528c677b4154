"""What the use cases ask of the outside world. Adapters implement these; tests bring their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from pagemill.domain.pages.model import Document, Refusal, Rendering, Transcript
from pagemill.domain.service.plan import Candidate, Image, ServiceState

ABSENT = "0"  # the version of an object that does not exist, as in GCS's `if_generation_match=0`


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's bytes and the version they had."""

    data: bytes
    version: str


class DocumentSource(Protocol):
    """Where PDFs come from. All methods block: call them from a thread."""

    name: str  # as the user wrote it

    def documents(self) -> Iterator[Document | Refusal]:
        """Yield the documents in key order, and entries that are rejected; streams, and holds no contents in memory.

        Raises:
            StoreUnusable: The source as a whole cannot be read.
        """

    def local_copy(self, document: Document) -> AbstractContextManager[Path]:
        """Provide a listed document as a file, which exists until the context ends.

        Raises:
            DocumentUnreadable: The document is gone or cannot be read.
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

    def check_writable(self) -> None:
        """Prove that objects can be written, leaving nothing behind.

        Raises:
            StoreUnusable: Objects cannot be written.
        """


class Rasterizer(Protocol):
    """Renders pages."""

    async def page_count(self, path: Path) -> int:
        """Count a PDF's pages.

        Raises:
            DocumentUnreadable: The file cannot be opened as a PDF, or has no pages.
        """

    async def render(self, path: Path, number: int) -> Rendering:
        """Render one page, 1-based.

        Raises:
            PageUnreadable: The page cannot be rendered; a second try failed, too.
        """


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

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        """Return the transcript of one page image; one request, no retries.

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


class ServiceHost(Protocol):
    """Runs one service. Every method that changes something raises Conflict if it was changed by others meanwhile."""

    def desired(self, image: Image | None) -> Mapping[str, str]:
        """Path to value of the service as it is to be; without an image that of the image is left out."""

    async def state(self) -> ServiceState | None:
        """Look at the service; None if there is none."""

    async def check(self, image: str) -> None:
        """Have the host check what would be deployed, quotas included; nothing changes."""

    async def stage(self, image: Image, state: ServiceState | None) -> Candidate:
        """Make a revision that gets no requests but those for its own URL, and wait until it is ready.

        Raises:
            NotReady: It does not start.
        """

    async def stage_again(self, revision: str, state: ServiceState) -> Candidate:
        """Give a revision that was ready before an URL of its own."""

    async def promote(self, candidate: Candidate) -> str:
        """Send all requests to a revision, and remember it as proven; return the service's URL."""

    async def restore(self, before: ServiceState | None) -> None:
        """Send requests where they went before."""

    async def ask_everybody_who_they_are(self) -> None:
        """Switch the check of invitations on again, where it was switched off."""

    async def delete(self) -> bool:
        """Delete the service; tell whether there was one."""


class GuestList(Protocol):
    """Who may ask the service."""

    async def invite(self, members: Sequence[str]) -> bool:
        """Let members in, whoever else may; tell whether that is news."""

    async def uninvited(self) -> list[tuple[str, str]]:
        """Role and member of every entry that lets everybody in."""

    async def shut(self) -> None:
        """Take every such entry away."""

    def cure(self, role: str, member: str) -> str:
        """The command that takes an entry away."""


class ServiceDoor(Protocol):
    """One URL of the service, as callers meet it."""

    url: str

    async def status_without_token(self) -> int:
        """HTTP status that a caller gets who does not say who they are.

        Raises:
            EndpointUnavailable: None at all.
        """

    async def probe(self) -> None:
        """Look once whether the service is healthy and serves the model.

        Raises:
            EndpointUnavailable: Not yet.
            EndpointRefusesUs: We are not let in.
            WrongModel: It serves another.
        """

    async def first_token_seconds(self, png: bytes) -> float:
        """Time from a request to the first piece of its text."""

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        """Return the transcript of one page image."""
