"""What the use cases ask of the outside world. Adapters implement these; tests bring their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from pagemill.domain.pages.model import Document, RejectedEntry, Rendering, Transcript
from pagemill.domain.service.plan import Candidate, Image, ServiceState

ABSENT = "0"  # the version of an object that does not exist, as in GCS's `if_generation_match=0`


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object's bytes and the version they had."""

    data: bytes
    version: str


class DocumentSource(Protocol):
    """Where PDFs come from. Every method blocks: call them from a thread."""

    name: str  # as the user wrote it

    def documents(self) -> Iterator[Document | RejectedEntry]:
        """Yield the documents in key order, and what cannot become one; streams, holds no contents.

        Raises:
            StoreUnusable: The source as a whole cannot be read.
        """

    def local_copy(self, document: Document) -> AbstractContextManager[Path]:
        """Provide a document that a source of this name listed, as a file for as long as the context lasts.

        Raises:
            DocumentUnreadable: The document is gone or cannot be read.
        """


class ObjectStore(Protocol):
    """A flat, strongly consistent key-value store. Every method blocks: call them from a thread."""

    name: str  # as the user wrote it

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with `prefix`, in no promised order."""

    def read(self, key: str) -> StoredObject | None:
        """Return the object, or None where there is none.

        Raises:
            StoreUnusable: The store does not let us.
        """

    def version(self, key: str) -> str:
        """Return the version an object is at, `ABSENT` where there is none; nothing of it is transferred.

        Raises:
            StoreUnusable: The store does not let us.
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
            key: Where to.
            body: What; a file is read from its beginning, wherever its position.
            content_type: Its media type.
            if_version: Write only over this version (`ABSENT`: only if there is none); None: whatever is there.

        Raises:
            PreconditionFailed: The object is at another version.
            StoreUnusable: The store does not let us.
        """

    def discard(self, key: str, *, if_version: str) -> None:
        """Remove an object that is at this version; if it is at another one or gone, do nothing.

        Raises:
            StoreUnusable: The store does not let us.
        """

    def check_writable(self) -> None:
        """Prove that objects can be written, leaving nothing behind.

        Raises:
            StoreUnusable: They cannot.
        """


class Rasterizer(Protocol):
    """Draws pages."""

    async def page_count(self, path: Path) -> int:
        """Count a PDF's pages.

        Raises:
            DocumentUnreadable: The file cannot be opened as a PDF, or has no pages.
        """

    async def render(self, path: Path, number: int) -> Rendering:
        """Draw one page, 1-based.

        Raises:
            PageUnreadable: The page cannot be drawn, and a second try did not help.
        """


class Recognizer(Protocol):
    """Reads page images."""

    async def probe(self) -> None:
        """Look once whether the endpoint can read pages; starts it where it is ours.

        Raises:
            EndpointUnavailable: Not yet.
            EndpointNeverAnswered: It is ours, and does not start.
            UsageError: It refuses us, or does not serve the model of the recipe.
        """

    async def prove(self) -> None:
        """Have the endpoint read an image that is known to be harmless.

        Raises:
            EndpointUnavailable: It does not read that one either.
            RequestRejected: It refuses that one too.
            UsageError: It refuses us.
        """

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        """Return the transcript of one page image; one request, no retries.

        Raises:
            EndpointUnavailable: Connection error, timeout, 429, 5xx, or an answer that is no chat completion.
            RequestRejected: The endpoint refuses this request (any other 4xx).
            UsageError: It refuses us.
        """


class SlotPool(Protocol):
    """Admission to the endpoint."""

    def slot(self) -> AbstractAsyncContextManager[object]:
        """Hold one slot: a page is in flight from its send until its result is saved.

        Raises:
            UsageError: There is nothing to take slots from.
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

    async def enable_invoker_check(self) -> None:
        """Switch the check of invitations on again, where it was switched off."""

    async def delete(self) -> bool:
        """Delete the service; tell whether there was one."""


class InvokerPolicy(Protocol):
    """Who may ask the service."""

    async def grant(self, members: Sequence[str]) -> bool:
        """Let members in, whoever else may; tell whether that is news."""

    async def public_bindings(self) -> list[tuple[str, str]]:
        """Role and member of every entry that lets everybody in."""

    async def revoke_public(self) -> None:
        """Take every such entry away."""

    def fix_command(self, role: str, member: str) -> str:
        """The command that takes an entry away."""


class ServiceEndpoint(Protocol):
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
