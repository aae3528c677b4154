"""What a watcher has gathered and not handed over: the newest upload of each object, with its messages."""

from __future__ import annotations

from collections.abc import Iterator

from pagemill.domain.uploads.notifications import Upload


class Gathering:
    """Uploads by object. Messages may come twice, and in any order."""

    def __init__(self) -> None:
        self._uploads: dict[tuple[str, str], Upload] = {}
        self._messages: dict[tuple[str, str], list[str]] = {}

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._uploads)

    def add(self, upload: Upload, message: str) -> None:
        """Add a message. Of an object that was replaced, the newest generation counts."""
        key = upload.bucket, upload.name
        self._uploads[key] = max(self._uploads.get(key, upload), upload)
        self._messages.setdefault(key, []).append(message)

    def __iter__(self) -> Iterator[tuple[Upload, list[str]]]:
        """Each upload, with all messages about its object."""
        for key, upload in self._uploads.items():
            yield upload, self._messages[key]
