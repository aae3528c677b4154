"""One contract for every store."""

from __future__ import annotations

import errno
import io
import os
import socket
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.cloud import storage

from pagemill.errors import NameUnusable, NoRoomLeft, PreconditionFailed, StoreUnusable
from pagemill.ports import ABSENT, ObjectStore
from pagemill.storage.gcs import client as gcs
from pagemill.storage.gcs.store import GcsStore
from pagemill.storage.local_store import LocalStore
from tests.fakes.gcs import FakeGcs
from tests.fakes.memory_store import MemoryStore


@pytest.fixture(params=["local", "memory", "bucket", "whole bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    match request.param:
        case "local":
            return LocalStore(tmp_path / "store")
        case "memory":
            return MemoryStore()
    google: FakeGcs = request.getfixturevalue("google")
    google.create_bucket("results")
    location = gcs.Location("results", "some/prefix" if request.param == "bucket" else "")
    return GcsStore(request.getfixturevalue("gcs_client"), location)


def _write(store: ObjectStore, key: str, body: bytes, if_version: str | None = None) -> None:
    store.write(key, body, content_type="text/plain", if_version=if_version)


def test_an_object_reads_as_it_was_written(store: ObjectStore) -> None:
    _write(store, "a/b c/ü.txt", b"one")
    _write(store, "a/b c/ü.txt", b"two")

    stored = store.read("a/b c/ü.txt")

    assert stored
    assert stored.data == b"two"


def test_a_file_is_written_whole_whatever_its_position(store: ObjectStore) -> None:
    body = io.BytesIO(b"all of it")
    body.seek(8)

    store.write("key", body, content_type="text/plain")

    stored = store.read("key")
    assert stored
    assert stored.data == b"all of it"


def test_an_object_that_does_not_exist_reads_as_none(store: ObjectStore) -> None:
    assert store.read("nothing/here") is None


def test_keys_are_listed_by_prefix(store: ObjectStore) -> None:
    for key in ("a/1", "a/2", "ab/1", "b"):
        _write(store, key, b"")

    assert sorted(store.keys("a/")) == ["a/1", "a/2"]
    assert sorted(store.keys("a")) == ["a/1", "a/2", "ab/1"]
    assert sorted(store.keys("")) == ["a/1", "a/2", "ab/1", "b"]
    assert list(store.keys("none/")) == []


def test_a_new_object_is_never_written_over_an_old_one(store: ObjectStore) -> None:
    _write(store, "key", b"first", ABSENT)

    with pytest.raises(PreconditionFailed):
        _write(store, "key", b"second", ABSENT)

    stored = store.read("key")
    assert stored
    assert stored.data == b"first"


def test_an_object_is_replaced_only_at_the_version_that_was_read(store: ObjectStore) -> None:
    _write(store, "key", b"first")
    first = store.read("key")
    assert first
    _write(store, "key", b"second", first.version)

    with pytest.raises(PreconditionFailed):
        _write(store, "key", b"third", first.version)


def test_a_version_is_the_one_that_was_read_until_the_object_is_written_again(store: ObjectStore) -> None:
    assert store.version("a/key") == ABSENT
    _write(store, "a/key", b"first", store.version("a/key"))
    first, read = store.version("a/key"), store.read("a/key")
    _write(store, "a/key", b"second", first)

    assert read
    assert read.version == first
    assert store.version("a/key") not in {first, ABSENT}


def test_sizes_are_told_of_objects_directly_below_a_folder(store: ObjectStore) -> None:
    for key, size in {"a/one": 1, "a/zwölf": 12, "a/empty": 0, "a/deep/one": 3, "ab/two": 1, "two": 5}.items():
        _write(store, key, bytes(size))

    assert store.sizes("a", ["one", "two", "zwölf", "empty"]) == {"one": 1, "zwölf": 12, "empty": 0}
    assert store.sizes("a", []) == {}
    assert store.sizes("a/deep", ["one", "two"]) == {"one": 3}
    assert store.sizes("none", ["one"]) == {}


def test_an_object_is_discarded_only_at_the_version_that_was_read(store: ObjectStore) -> None:
    _write(store, "a/key", b"first")
    first = store.version("a/key")
    _write(store, "a/key", b"second")

    store.discard("a/key", if_version=first)
    assert store.read("a/key")

    store.discard("a/key", if_version=store.version("a/key"))
    assert store.read("a/key") is None
    store.discard("a/key", if_version=first)  # it is gone: nothing happens
    store.discard("none/key", if_version=first)
    _write(store, "a/key", b"third", ABSENT)


def test_of_many_writers_at_once_exactly_one_creates_the_object(store: ObjectStore) -> None:
    def create(body: bytes) -> bool:
        try:
            _write(store, "key", body, ABSENT)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as writers:
        won = list(writers.map(create, [b"%d" % n for n in range(40)]))

    stored = store.read("key")
    assert stored
    assert won.count(True) == 1
    assert stored.data == b"%d" % won.index(True)


def test_checking_that_a_store_can_be_written_leaves_nothing_behind(store: ObjectStore) -> None:
    store.check_writable()

    assert list(store.keys("")) == []


def test_a_local_write_leaves_no_temporary_files(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    _write(store, "key", b"first", ABSENT)
    with pytest.raises(PreconditionFailed):
        _write(store, "key", b"second", ABSENT)

    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_write_that_fails_half_way_leaves_the_old_object(tmp_path: Path) -> None:
    class TornFile(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    store = LocalStore(tmp_path)
    _write(store, "key", b"old")

    with pytest.raises(StoreUnusable, match=r"key cannot be written: Input/output error"):
        store.write("key", TornFile(), content_type="text/plain")

    stored = store.read("key")
    assert stored
    assert stored.data == b"old"


def test_a_destination_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreUnusable, match=r"destination .*file cannot be written"):
        LocalStore(tmp_path / "file").check_writable()


@pytest.mark.parametrize("key", ["../outside", "/etc/passwd", "a/../../b"])
def test_no_key_leaves_the_store(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match=r"leaves the store|subpath"):
        _write(LocalStore(tmp_path), key, b"")


class _FoldingStore(LocalStore):
    """A file system that takes some names for equal, as those of macOS and Windows do."""

    def __init__(self, root: Path, fold: Callable[[str], str]) -> None:
        super().__init__(root)
        self._fold = fold

    def _path(self, key: str) -> Path:
        return super()._path(self._fold(key))


def _refuse_accents(key: str) -> str:
    if not key.isascii():
        raise OSError(errno.EILSEQ, "Invalid or incomplete multibyte or wide character")
    return key


@pytest.mark.parametrize(
    ("fold", "one", "other"),
    [
        (str.casefold, "A/b", "a/B"),
        (lambda key: unicodedata.normalize("NFD", key), "\u00e9", "e\u0301"),
        (lambda key: key.rstrip(". "), "a. ", "a"),
    ],
    ids=["case", "accents", "ends"],
)
def test_a_local_store_knows_which_names_its_file_system_takes_for_equal(
    tmp_path: Path, fold: Callable[[str], str], one: str, other: str
) -> None:
    store = _FoldingStore(tmp_path, fold)
    store.check_writable()

    assert store.folded(one) == store.folded(other) is not None
    assert store.folded("another") != store.folded(one)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fold", [str, _refuse_accents], ids=["tells all apart", "allows no accents"])
def test_a_store_that_tells_names_apart_folds_none(tmp_path: Path, fold: Callable[[str], str]) -> None:
    store = _FoldingStore(tmp_path, fold)
    store.check_writable()

    assert store.folded("a") is None
    assert list(tmp_path.iterdir()) == []


def test_buckets_and_memory_tell_all_names_apart(store: ObjectStore) -> None:
    store.check_writable()

    assert store.folded("A.pdf") is None


@pytest.mark.parametrize("key", ["x" * 300, "file/below", "folder"], ids=["long", "below a file", "a folder"])
def test_a_name_that_cannot_be_used_is_not_the_fault_of_the_whole_store(tmp_path: Path, key: str) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / "file").write_text("somebody's")
    (tmp_path / "folder").mkdir()

    with pytest.raises(NameUnusable):
        _write(store, key, b"x")
    with pytest.raises(NameUnusable):
        store.read(key)
    with pytest.raises(NameUnusable):
        store.version(key)
    _write(store, "other", b"x")


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (os.mkfifo, "is a named pipe, not a regular file; remove it"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, not a regular file; remove it"),
        (_bind, "cannot be read: No such device or address; see what lies there"),
        (lambda path: path.symlink_to(path.name), "cannot be read: Too many levels of symbolic links"),
        (Path.mkdir, "cannot be read: Is a directory"),
    ],
    ids=["pipe", "device", "socket", "circle", "folder"],
)
def test_what_is_no_file_at_the_place_of_a_result_is_neither_waited_for_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], says: str
) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets must be short
    make(Path("manifest.json"))
    store = LocalStore(tmp_path)

    for read in (store.read, store.version):
        with pytest.raises(NameUnusable, match=says):
            read("manifest.json")


def test_a_bucket_that_refuses_a_name_may_take_others(gcs_client: storage.Client, google: FakeGcs) -> None:
    google.create_bucket("results")
    store = GcsStore(gcs_client, gcs.Location("results", "p" * 600))
    key = "k" * 500

    for use in (store.read, store.version, lambda key: _write(store, key, b"x")):
        with pytest.raises(NameUnusable, match="rejects the request"):
            use(key)
    _write(store, "short", b"x")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG], ids=os.strerror)
def test_a_destination_without_room_says_so_and_keeps_no_half_file(tmp_path: Path, number: int) -> None:
    class Full(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            raise OSError(number, os.strerror(number))

    with pytest.raises(NoRoomLeft, match=rf"key cannot be written: {os.strerror(number)}; free some space"):
        LocalStore(tmp_path).write("key", Full(), content_type="text/plain")

    assert list(tmp_path.iterdir()) == []


def test_a_destination_without_room_for_a_probe_keeps_none(tmp_path: Path) -> None:
    class FullStore(LocalStore):
        def _path(self, key: str) -> Path:
            path = super()._path(key)
            path.touch()  # a name takes no room on the disk, bytes do
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with pytest.raises(NoRoomLeft, match="free some space"):
        FullStore(tmp_path).check_writable()
