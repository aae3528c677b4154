"""Whether the database of a private Prefect server has the tables that its Prefect needs.

To find that out, Prefect loads all its migrations. A private server notes which revision its database has after a
start; where Prefect's version and the revision are still those, the next one takes the database as it is.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from prefect.settings import PREFECT_API_DATABASE_MIGRATE_ON_START, get_current_settings, temporary_settings

_NOTE = "pagemill-database.json"  # in Prefect's folder, beside the database


@contextlib.contextmanager
def migrated_once() -> Iterator[None]:
    """Let a server start in this context, without migrations where its database has had all of them."""
    database = _own_database()
    if database and database.exists() and _revision(database) and _noted(database) == _state(database):
        with temporary_settings({PREFECT_API_DATABASE_MIGRATE_ON_START: False}):
            yield
        return
    yield
    if database:
        database.with_name(_NOTE).write_text(json.dumps(_state(database)))


def _own_database() -> Path | None:
    """The database in Prefect's folder; None: a setting names another one, which may be changed by others."""
    settings = get_current_settings()
    path, url = settings.home / "prefect.db", settings.server.database.connection_url
    return path if url and url.get_secret_value() == f"sqlite+aiosqlite:///{path}" else None


def _noted(database: Path) -> object:
    try:
        return json.loads(database.with_name(_NOTE).read_bytes())
    except (OSError, ValueError):  # none yet, or a damaged one
        return None


def _state(database: Path) -> dict[str, str]:
    """Prefect's version, and the database's revision; that is empty if it has none, or is no database."""
    return {"prefect": version("prefect"), "revision": _revision(database)}


def _revision(database: Path) -> str:
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.DatabaseError:
            return ""
    return ",".join(sorted(str(row[0]) for row in rows))
