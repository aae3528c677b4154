from __future__ import annotations

import datetime as dt

from pagemill.domain.uploads.notifications import Upload
from pagemill.uploads.journal import Journal
from tests.fakes.memory_store import MemoryStore

_NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)


def _at(store: MemoryStore, now: dt.datetime) -> Journal:
    journal = Journal(store, lambda: now)
    journal.refresh()
    return journal


def test_lists_of_today_and_yesterday_are_remembered_and_older_ones_forgotten() -> None:
    store, now = MemoryStore(), [_NOON]
    journal = Journal(store, lambda: now[0])
    key = journal.write([Upload("scans", "a.pdf", 1)])

    for days, known in ((0, True), (1, True), (2, False)):
        now[0] = _NOON + dt.timedelta(days=days)
        journal.refresh()
        assert journal.list_with(Upload("scans", "a.pdf", 1)) == (key if known else "")
        assert _at(store, now[0]).list_with(Upload("scans", "a.pdf", 1)) == (key if known else "")


def test_what_another_watcher_has_written_is_known_after_a_refresh() -> None:
    store = MemoryStore()
    one, other = _at(store, _NOON), _at(store, _NOON)

    key = one.write([Upload("scans", "a.pdf", 2)])

    assert not other.list_with(Upload("scans", "a.pdf", 2))
    other.refresh()
    assert other.list_with(Upload("scans", "a.pdf", 2)) == key
    assert other.list_with(Upload("scans", "a.pdf", 1)) == key
    assert not other.list_with(Upload("scans", "a.pdf", 3))
    assert not other.list_with(Upload("scans", "b.pdf", 1))


def test_what_is_no_list_is_left_alone() -> None:
    store = MemoryStore()
    store.write("_runs/uploads/2026-11-30/notes.txt", b"gs://scans/a.pdf\t1", content_type="text/plain")
    store.write("_runs/uploads/2026-11-30/120000-0123456789abcdef.txt", b"\xff\ngs://scans/b.pdf", content_type="")

    journal = _at(store, _NOON)

    assert not journal.list_with(Upload("scans", "a.pdf", 1))
    assert not journal.list_with(Upload("scans", "b.pdf", 1))


def test_the_same_uploads_get_a_run_for_each_destination() -> None:
    here, there = MemoryStore(), MemoryStore()
    there.name = "elsewhere"
    uploads = [Upload("scans", "a.pdf", 1)]
    keys = [journal.run_key(journal.write(uploads)) for journal in (_at(here, _NOON), _at(there, _NOON))]
    later = _at(MemoryStore(), _NOON + dt.timedelta(hours=1))

    assert len(set(keys)) == 2
    assert later.run_key(later.write(uploads)) == keys[0]
