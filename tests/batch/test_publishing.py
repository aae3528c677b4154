"""Two runs that publish one document at the same time: afterwards all of it is of one of them."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import random
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import pytest
from google.cloud import storage

from pagemill.batch import publishing
from pagemill.batch.checkpoints import Checkpoints
from pagemill.domain.pages import assembly, keys
from pagemill.domain.pages.manifest import Manifest, Tally
from pagemill.domain.pages.model import Document, PageResult, Recipe, Status
from pagemill.ports import ABSENT, ObjectStore, StoredObject
from pagemill.storage.gcs.client import Location
from pagemill.storage.gcs.store import GcsStore
from pagemill.storage.local_store import LocalStore
from tests.batch.conftest import Mill
from tests.fakes.gcs import FakeGcs
from tests.fakes.memory_store import MemoryStore
from tests.fakes.ocr_endpoint import FakeEndpoint

_DOCUMENT = Document("a.pdf", "v1", 10)
_ONE, _OTHER = Recipe("one"), Recipe("other")


@pytest.fixture(params=["local", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path)
    google: FakeGcs = request.getfixturevalue("google")
    google.create_bucket("out")
    client: storage.Client = request.getfixturevalue("gcs_client")
    return GcsStore(client, Location("out", ""))


class _Watched:
    """A store that calls somebody before each write."""

    def __init__(self, store: ObjectStore, before: Callable[[str], object]) -> None:
        self.name = store.name
        self._store = store
        self._before = before

    def keys(self, prefix: str) -> Iterator[str]:
        return self._store.keys(prefix)

    def read(self, key: str) -> StoredObject | None:
        return self._store.read(key)

    def version(self, key: str) -> str:
        return self._store.version(key)

    def sizes(self, folder: str, names: Collection[str]) -> Mapping[str, int]:
        return self._store.sizes(folder, names)

    def discard(self, key: str, *, if_version: str) -> None:
        self._store.discard(key, if_version=if_version)

    def write(self, key: str, body: bytes | IO[bytes], *, content_type: str, if_version: str | None = None) -> None:
        self._before(key)
        self._store.write(key, body, content_type=content_type, if_version=if_version)

    def folded(self, key: str) -> str | None:
        return self._store.folded(key)

    def check_writable(self) -> None:
        self._store.check_writable()


class _Turns:
    """Lets one thread go on at a time; which one is drawn by lot at every turn, the same at every run of a seed."""

    def __init__(self, names: list[str], seed: int) -> None:
        self._lot = random.Random(seed)  # noqa: S311 -- a schedule, no secret
        self._waiting = names.copy()
        self._turn = self._lot.choice(names)
        self._changed = threading.Condition()

    def wait(self, name: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._turn == name, timeout=30)

    def give_away(self, name: str) -> None:
        with self._changed:
            self._turn = self._lot.choice(self._waiting)
            self._changed.notify_all()
        self.wait(name)

    def leave(self, name: str) -> None:
        with self._changed:
            self._waiting.remove(name)
            self._turn = self._lot.choice(self._waiting or [""])
            self._changed.notify_all()


def _checkpoint(store: ObjectStore, recipe: Recipe, number: int) -> None:
    body = assembly.to_json(PageResult(number, Status.OK, f"{recipe.model}, page {number}")).encode()
    key = keys.checkpoint(_DOCUMENT, recipe, number)
    store.write(key, body, content_type="application/json", if_version=ABSENT)


def _publish(store: ObjectStore, recipe: Recipe, numbers: range, failed: tuple[int, ...] = ()) -> Tally:
    return publishing.publish(
        Checkpoints(store, recipe),
        _DOCUMENT,
        page_count=3,
        numbers=numbers,
        failed={number: PageResult(number, Status.FAILED, objections=("no",)) for number in failed},
        usd_per_page_second=0.0,
    )


def _there(store: ObjectStore) -> tuple[Any, str, list[Any]]:
    """The manifest, the Markdown and the page results."""
    found = [store.read(key("a.pdf")) for key in (keys.manifest, keys.markdown, keys.pages_jsonl)]
    manifest, markdown, jsonl = [stored.data.decode() for stored in found if stored]
    return json.loads(manifest), markdown, [json.loads(line) for line in jsonl.splitlines()]


@pytest.mark.parametrize("seed", range(25))
def test_objects_that_runs_publish_at_the_same_time_are_in_the_end_all_of_one_run(
    store: ObjectStore, seed: int
) -> None:
    for recipe in (_ONE, _OTHER):
        for number in (1, 2):
            _checkpoint(store, recipe, number)
    runs = {
        "one": (_ONE, range(1, 3), ()),
        "other": (_OTHER, range(1, 3), ()),
        "one, more pages": (_ONE, range(1, 4), (3,)),
        "other, fewer": (_OTHER, range(1, 2), ()),
    }
    turns = _Turns(list(runs), seed)

    def run(name: str) -> None:
        turns.wait(name)
        try:
            recipe, numbers, failed = runs[name]
            with contextlib.suppress(publishing.Contended):
                _publish(_Watched(store, lambda _: turns.give_away(name)), recipe, numbers, failed)
        finally:
            turns.leave(name)

    with ThreadPoolExecutor(len(runs)) as threads:
        list(threads.map(run, runs))

    manifest, markdown, results = _there(store)
    model = manifest["recipe"]["model"]
    assert [result["number"] for result in results] == list(range(1, manifest["pages"] + 1))
    assert all(result["markdown"] == f"{model}, page {result['number']}" for result in results[:2])
    assert markdown == "".join(assembly.markdown(assembly.from_json(json.dumps(result))) for result in results)


def test_a_document_that_another_run_finished_meanwhile_is_left_alone(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    _checkpoint(store, _ONE, 1)
    writes: list[str] = []

    def another_run_is_quicker(key: str) -> None:
        if not writes:
            _publish(store, _ONE, range(1, 2))
        writes.append(key)

    tally = _publish(_Watched(store, another_run_is_quicker), _ONE, range(1, 2))

    assert writes == ["a.pdf/document.md"]
    assert tally.counts()[Status.OK] == 1


def test_pages_that_another_run_read_meanwhile_are_published_too(store: ObjectStore) -> None:
    _checkpoint(store, _ONE, 1)
    later = iter([2])

    def another_run_is_quicker(key: str) -> None:
        if key == "a.pdf/pages.jsonl" and (number := next(later, None)):
            _checkpoint(store, _ONE, number)
            _publish(store, _ONE, range(1, 3))

    _publish(_Watched(store, another_run_is_quicker), _ONE, range(1, 2))

    manifest, markdown, results = _there(store)
    assert manifest["pages"] == len(results) == markdown.count("<!-- page ") == 2


def test_a_manifest_that_another_run_wrote_meanwhile_is_kept_for_an_unreadable_document(store: ObjectStore) -> None:
    _checkpoint(store, _ONE, 1)
    unreadable = Manifest(_DOCUMENT, _OTHER, 0, Tally(), 0.0, dt.datetime.now(dt.UTC), error="not a PDF")

    publishing.write_manifest(store, unreadable)
    assert json.loads((store.read("a.pdf/manifest.json") or StoredObject(b"{}", "")).data)["error"] == "not a PDF"

    publishing.write_manifest(_Watched(store, lambda _: _publish(store, _ONE, range(1, 2))), unreadable)
    assert _there(store)[0]["error"] is None

    publishing.write_manifest(store, unreadable)
    assert _there(store)[0]["error"] is None


def _overtaken(store: ObjectStore, document: str) -> ObjectStore:
    """A store in which somebody else is always quicker to write a document's text."""
    texts = iter(range(1000))

    def overtake(key: str) -> None:
        if key == f"{document}/document.md":
            store.write(key, b"%d" % next(texts), content_type="text/markdown")

    return _Watched(store, overtake)


def test_after_five_rounds_a_run_gives_up_and_leaves_what_the_other_one_wrote(store: ObjectStore) -> None:
    _checkpoint(store, _ONE, 1)

    with pytest.raises(publishing.Contended, match="another run keeps writing this document; run again"):
        _publish(_overtaken(store, "a.pdf"), _ONE, range(1, 2))

    stored = store.read("a.pdf/document.md")
    assert stored
    assert stored.data == b"4"


async def test_a_document_that_another_run_keeps_writing_costs_only_itself_and_is_named(mill: Mill) -> None:
    mill.add("a.pdf", "2")
    mill.add("b.pdf", "1")
    store = MemoryStore()
    mill.store = _overtaken(store, "a.pdf")

    async with FakeEndpoint() as endpoint:
        summary = await mill.run(endpoint)
        mill.store = store
        again = await mill.run(endpoint)

    assert [outcome.error for outcome in summary.outcomes] == [
        "another run keeps writing this document; run again",
        "",
    ]
    assert summary.stopped_by is None
    assert not summary.complete
    assert summary.pages == sum(outcome.pages for outcome in summary.outcomes) == 3
    assert (again.complete, again.requests, again.reused) == (True, 0, 3)
