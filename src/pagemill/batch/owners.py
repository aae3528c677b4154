"""Whose results a folder of the destination holds: no document's results are written over another's."""

from __future__ import annotations

import shlex
from urllib.parse import unquote, urlsplit

from pagemill.domain.pages import keys
from pagemill.domain.pages.manifest import TEXTS, PriorManifest, is_damaged
from pagemill.domain.pages.model import Document
from pagemill.domain.wording import shown
from pagemill.errors import KeyTaken
from pagemill.ports import ObjectStore, StoredObject


class FoldersInUse:
    """The folders of one run's documents, for a destination that does not tell all names apart."""

    def __init__(self, destination: ObjectStore) -> None:
        """Configure; no folder is in use."""
        self._destination = destination
        self._keys: dict[str, str] = {}

    def take(self, document_key: str) -> None:
        """Note that a document uses its folder.

        Raises:
            KeyTaken: For this destination, another document of the run has the same folder.
        """
        folder = self._destination.folded(keys.document_folder(document_key))
        if folder is None:
            return
        other = self._keys.setdefault(folder, document_key)
        if other != document_key:
            raise KeyTaken(
                f"the destination does not tell {document_key!a} from {other!a}, which is read; "
                "rename one of them, or choose a destination that does, for example a bucket"
            )


def check_owner(
    destination: ObjectStore, stored: StoredObject | None, prior: PriorManifest | None, document: Document
) -> None:
    """Check that what is published at a document's key is not another document's.

    A damaged manifest does not say whose the texts beside it are. Checkpoints of the document's own bytes do.

    Args:
        destination: Where it is published.
        stored: The manifest there.
        prior: What it says, if it is one that counts.
        document: The document.

    Raises:
        KeyTaken: It is another document's, or may be.
        StoreUnusable: The destination cannot be read.
    """
    if prior and prior.is_of_another(document):
        raise _taken(
            destination,
            document,
            f"holds the results of {_readable(prior.source)}, not of {_readable(document.source)}; "
            "choose another destination. If that document was moved or is no longer wanted",
        )
    if stored and not prior and is_damaged(stored.data) and _has_foreign_texts(destination, document):
        raise _taken(
            destination,
            document,
            "holds texts with a damaged manifest, which does not say of which document they are; choose another "
            f"destination. If they are of {_readable(document.source)} or are no longer wanted",
        )


def _has_foreign_texts(destination: ObjectStore, document: Document) -> bool:
    """Whether there are texts, and no checkpoint of the document's bytes, read with whatever recipe."""
    texts = destination.sizes(keys.document_folder(document.key), TEXTS)
    return bool(texts) and next(destination.keys(keys.checkpoints_of_version(document)), None) is None


def _taken(destination: ObjectStore, document: Document, why: str) -> KeyTaken:
    folder = f"{destination.name.rstrip('/')}/{keys.document_folder(document.key)}"
    manifest = shlex.quote(f"{folder}/manifest.json")
    remove = f"gcloud storage rm {manifest}" if folder.startswith("gs://") else f"rm {manifest}"
    return KeyTaken(f"{shown(folder)} {why}, type: {remove}")


def _readable(source: str) -> str:
    if source.startswith("file:"):
        return shown(unquote(urlsplit(source).path, errors="backslashreplace"))
    return shown(source)
