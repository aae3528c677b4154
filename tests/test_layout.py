"""Every folder holds what its name says, and parts that start often import little."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pagemill

_ROOT = Path(__file__).parents[1]
_PACKAGE = _ROOT / "src/pagemill"
_SOURCES = [_PACKAGE, _ROOT / "flows", _ROOT / "tasks", _ROOT / "deployments"]

# The rooms that may import Prefect; flows, tasks and deployments are folders of the repository.
_PREFECT_ROOMS = {"orchestration", "flows", "tasks", "deployments", "cli"}


def _modules(*folders: Path) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            yield path, ast.parse(path.read_text(), str(path))


def _loaded_by(statement: str, names: set[str]) -> list[str]:
    """Which packages a fresh process has loaded after a statement."""
    program = f"import sys; {statement}; print(*sorted({names!r} & sys.modules.keys()))"
    return subprocess.check_output([sys.executable, "-c", program], text=True, timeout=120).split()


def test_only_config_reads_and_sets_environment_variables() -> None:
    readers = {
        str(path.relative_to(_ROOT))
        for path, module in _modules(*_SOURCES)
        if _PACKAGE / "config" not in path.parents
        for node in ast.walk(module)
        if _mentions_environment(node)
    }

    assert readers == set()


def _mentions_environment(node: ast.AST) -> bool:
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    if isinstance(node, ast.Attribute):
        return node.attr in names and isinstance(node.value, ast.Name) and node.value.id == "os"
    return isinstance(node, ast.ImportFrom) and node.module == "os" and any(name.name in names for name in node.names)


@pytest.mark.parametrize("module", ["pagemill.cli.main", "pagemill.__main__"])
def test_the_command_line_starts_without_prefect_and_google(module: str) -> None:
    assert _loaded_by(f"import {module}", {"prefect", "google", "httpx", "numpy", "pydantic"}) == []


def test_render_workers_start_without_prefect_google_and_pydantic() -> None:
    assert _loaded_by("import pagemill.pdf.worker", {"prefect", "google", "httpx", "pydantic"}) == []


def test_pagemill_itself_imports_nothing() -> None:
    """With `python -m pagemill`, a module that it imported could be a file in the current folder."""
    program = "import sys; before = set(sys.modules); import pagemill; print(*sorted(set(sys.modules) - before))"

    assert subprocess.check_output([sys.executable, "-c", program], text=True).split() == ["pagemill"]


def test_rooms_without_prefect_import_no_prefect() -> None:
    modules = [
        found.name
        for found in pkgutil.walk_packages(pagemill.__path__, "pagemill.")
        if found.name.split(".")[1] not in _PREFECT_ROOMS and not found.name.endswith("__main__")
    ]

    assert len(modules) > 50
    assert _loaded_by(f"import {', '.join(modules)}", {"prefect"}) == []


@pytest.mark.parametrize("path", sorted((_ROOT / "flows").glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_module_in_flows_defines_one_flow_and_nothing_else(path: Path) -> None:
    flows = [node for node in _definitions(path) if not _is_private_constant(node)]

    assert [_decorators(node) for node in flows] == [["flow"]]


@pytest.mark.parametrize("path", sorted((_ROOT / "tasks").glob("[!_]*.py")), ids=lambda path: path.stem)
def test_a_module_in_tasks_defines_tasks_and_nothing_else(path: Path) -> None:
    others = [
        ast.unparse(node).splitlines()[0]
        for node in _definitions(path)
        if not _is_private_constant(node) and _decorators(node) != ["task"]
    ]

    assert others == []


def _definitions(path: Path) -> list[ast.stmt]:
    """What a module holds besides its docstring and its imports."""
    body = ast.parse(path.read_text()).body
    return [node for node in body if not (isinstance(node, ast.Import | ast.ImportFrom) or _is_for_types(node))][1:]


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _is_private_constant(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.startswith("_") for target in node.targets)
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id.startswith("_")


def _decorators(node: ast.stmt) -> list[str]:
    """The names of a function's decorators; none of a class."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    return [
        ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)
        for decorator in node.decorator_list
    ]
