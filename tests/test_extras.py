"""A missing extra is one clear line."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from pagemill.errors import UsageError
from pagemill.extras import needs


def test_a_missing_library_names_the_extra_to_install() -> None:
    with (
        pytest.raises(
            UsageError, match=r"^reading needs libraries that are not installed; type: pip install 'pagemill\[local\]'$"
        ),
        needs("local", "reading"),
    ):
        importlib.import_module("no_such_library.part")


def test_a_missing_module_of_pagemill_itself_stays_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_room"), needs("local", "reading"):
        importlib.import_module("pagemill.no_such_room")


def test_installed_libraries_change_nothing() -> None:
    with needs("local", "reading"):
        importlib.import_module("json")


def test_a_missing_part_of_a_namespace_package_names_the_extra_as_well() -> None:
    with pytest.raises(UsageError, match=r"pagemill\[deploy\]"), needs("deploy", "deploying"):
        from google.cloud import no_such_service  # noqa: F401, PLC0415


def test_a_library_that_is_installed_but_broken_stays_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_library.py").write_text("from os import no_such_name\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ImportError, match="no_such_name"), needs("local", "reading"):
        importlib.import_module("broken_library")
