"""Whose results a folder of the destination holds: no document's results are written over another's."""

from __future__ import annotations

import shlex
from urllib.parse import unquote, urlsplit

from pagemill.domain.pages import keys
from pagemill.domain.pages.manifest import PriorManifest
from pagemill.domain.pages.model import Document
from pagemill.domain.wording import shown
from pagemill.errors import KeyTaken
from pagemill.ports import ObjectStore


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


def check_owner(destination: ObjectStore, prior: PriorManifest | None, document: Document) -> None:
    """Check that the manifest at a document's key is not another document's.

    Raises:
        KeyTaken: It is.
    """
    if prior and prior.is_of_another(document):
        folder = f"{destination.name.rstrip('/')}/{keys.document_folder(document.key)}"
        manifest = shlex.quote(f"{folder}/manifest.json")
        remove = f"gcloud storage rm {manifest}" if folder.startswith("gs://") else f"rm {manifest}"
        raise KeyTaken(
            f"{shown(folder)} holds the results of {_readable(prior.source)}, not of {_readable(document.source)}; "
            f"choose another destination. If that document was moved or is no longer wanted, type: {remove}"
        )


def _readable(source: str) -> str:
    if source.startswith("file:"):
        return shown(unquote(urlsplit(source).path, errors="backslashreplace"))
    return shown(source)
