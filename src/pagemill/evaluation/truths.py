"""Where the true texts of documents are: beside their names, or in a folder with a file a page."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from pagemill.domain.evaluation.truth import Truth, truth_of
from pagemill.domain.wording import shown
from pagemill.ports import ObjectStore

_KINDS = (".md", ".markdown", ".txt")  # the first that exists is taken: Markdown shows more
_PAGE = re.compile(r"0*([0-9]{1,7})")


@dataclass(frozen=True, slots=True)
class FoundTruth:
    """What was found for a document."""

    truth: Truth | None = None  # None: there is none that can be used
    problems: tuple[str, ...] = ()  # what cannot be used, by name


class Truths:
    """The true texts below a folder or a prefix. All methods block."""

    def __init__(self, store: ObjectStore, *, only: str = "") -> None:
        """List them.

        Args:
            store: Where they are.
            only: The one text that counts, for a source of one document; empty: all that are there.

        Raises:
            StoreUnusable: They cannot be listed.
        """
        self.name = f"{store.name}/{only}" if only else store.name
        self._store = store
        self._only = only
        self._files: dict[str, dict[str, str]] = defaultdict(dict)  # keys by ending, by name without it
        self._used: set[str] = set()
        for key in sorted([only] if only else store.keys("")):
            name, dot, ending = key.rpartition(".")
            kind = (dot + ending).lower()
            if kind in _KINDS:
                self._files[_same(name)].setdefault(kind, key)
        self._folders = self._by_folder()

    def of(self, document: str, page_count: int) -> FoundTruth:
        """The true text of a document.

        Args:
            document: Its key.
            page_count: Its pages; 0: not known.

        Raises:
            StoreUnusable: It cannot be read.
        """
        bare = document[: -len(".pdf")] if document.lower().endswith(".pdf") else document
        names = [*self._files] if self._only else [_same(bare), _same(document)]
        for name in names:
            if found := self._files.get(name):
                key = next(found[kind] for kind in _KINDS if kind in found)
                self._used.update(found.values())
                return self._of_file(key, page_count)
        for name in names:
            if pages := self._folders.get(name):
                self._used.update(key for keys in pages.values() for key in keys)
                return self._of_pages(pages)
        return FoundTruth()

    def unused(self) -> list[str]:
        """The texts that were of no document."""
        keys = {key for files in self._files.values() for key in files.values()}
        return sorted(keys - self._used)

    def _by_folder(self) -> dict[str, dict[int, list[str]]]:
        """Files with the number of a page for a name: their keys by number, by folder."""
        folders: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name, found in self._files.items():
            folder, _, last = name.rpartition("/")
            if folder and (match := _PAGE.fullmatch(last)):
                key = next(found[kind] for kind in _KINDS if kind in found)
                folders[folder][int(match[1])].append(key)
        return folders

    def _of_file(self, key: str, page_count: int) -> FoundTruth:
        try:
            return FoundTruth(truth_of(self._text(key), markdown=_is_markdown(key), page_count=page_count))
        except ValueError as error:
            return FoundTruth(problems=(f"{self._shown(key)} {error}",))

    def _of_pages(self, pages: Mapping[int, list[str]]) -> FoundTruth:
        texts, problems = {}, []
        for number, (key, *others) in sorted(pages.items()):
            if number == 0:
                problems.append(f"{self._shown(key)}: pages count from 1")
            elif others:
                problems.append(f"{self._shown(key)} and {self._shown(others[0])} are the same page; remove one")
            else:
                try:
                    texts[number] = self._text(key)
                except ValueError as error:
                    problems.append(f"{self._shown(key)} {error}")
        markdown = all(_is_markdown(key) for keys in pages.values() for key in keys)
        return FoundTruth(Truth(texts, markdown), tuple(problems))

    def _text(self, key: str) -> str:
        stored = self._store.read(key)
        if stored is None:
            raise ValueError("was deleted meanwhile")
        try:
            return stored.data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            where = f"is no UTF-8, from byte {error.start + 1} on"
            raise ValueError(f"{where}; convert it, for example: iconv -f latin1 -t utf-8") from None

    def _shown(self, key: str) -> str:
        return shown(f"{self._store.name}/{key}")


def _is_markdown(key: str) -> bool:
    return not key.lower().endswith(".txt")


def _same(name: str) -> str:
    """A name in one of its forms: file systems write an accent with its letter or behind it."""
    return unicodedata.normalize("NFC", name)
