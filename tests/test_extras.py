"""A missing extra is one clear line."""

from __future__ import annotations

import importlib

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
