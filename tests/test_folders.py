"""The folders flows and tasks hold what their names say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.update_settings import ROOT


def _modules(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py"]


def _statements(path: Path) -> Iterator[ast.stmt]:
    """What a module defines, without its docstring and its imports."""
    for statement in ast.parse(path.read_text()).body:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not docstring and not isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement


def _decorators(statement: ast.stmt) -> list[str]:
    """The names of a function's decorators; empty for any other statement."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    return [ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in statement.decorator_list]


@pytest.mark.parametrize("path", _modules("flows"), ids=lambda path: str(path.name))
def test_a_file_of_flows_defines_one_flow_and_nothing_else(path: Path) -> None:
    assert [_decorators(statement) for statement in _statements(path)] == [["flow"]]


@pytest.mark.parametrize("path", _modules("tasks"), ids=lambda path: str(path.name))
def test_a_file_of_tasks_defines_tasks_and_nothing_else(path: Path) -> None:
    defined = [_decorators(statement) for statement in _statements(path)]

    assert defined
    assert all(decorators == ["task"] for decorators in defined)
