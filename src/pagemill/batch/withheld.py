"""Documents that the source does not hand out: the trouble of each of them, or of the source?"""

from __future__ import annotations

from pagemill.domain.pages.model import Document, RejectedEntry
from pagemill.domain.wording import shown
from pagemill.errors import StoreUnusable


class WithheldDocuments:
    """Sets documents aside until the source hands out another one, or has no more."""

    def __init__(self, source: str) -> None:
        """Configure; nothing is set aside.

        Args:
            source: Its name, as the user wrote it.
        """
        self._source = source
        self.entries: list[Document | RejectedEntry] = []
        self._causes: set[str] = set()
        self._are_to_blame = False  # whether the source is known to be well

    def handed_out(self) -> None:
        """Note that the source hands documents out."""
        self._are_to_blame = True

    def sets_aside(self, entry: Document | RejectedEntry, cause: str) -> bool:
        """Set an entry aside; False if the trouble is known to be its own.

        Args:
            entry: The document that the source withholds.
            cause: The trouble, in words that name no document.
        """
        if self._are_to_blame:
            return False
        self.entries.append(entry)
        self._causes.add(cause)
        return True

    def release(self) -> list[Document | RejectedEntry]:
        """The entries that are set aside, whose trouble is their own: from now on, none is set aside.

        Raises:
            StoreUnusable: None of several documents was handed out, all for one reason: that is no fault of each.
        """
        if len(self.entries) > 1 and len(self._causes) == 1 and not self._are_to_blame:
            raise StoreUnusable(
                f"{shown(self._source)}: none of its {len(self.entries)} documents can be read, all for the same "
                f"reason: {next(iter(self._causes))} (the first is {shown(self.entries[0].key)})"
            )
        self._are_to_blame = True
        return self.entries
