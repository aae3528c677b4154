"""Whatever goes wrong, a command ends with a message and with one of the exit codes that README.md lists."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pagemill.cli.endings import ending_of
from pagemill.cli.main import main
from pagemill.cli.support import ExitCode
from pagemill.errors import EndpointNeverAnswered, OutOfResources, StoreUnusable, UsageError

_ROOT = Path(__file__).parents[2]


def test_every_exit_code_is_in_the_readme() -> None:
    listed = re.findall(r"^\| (\d+) \|", (_ROOT / "README.md").read_text(), re.MULTILINE)

    assert [int(code) for code in listed] == sorted(ExitCode)


def test_a_defect_is_one_line_that_names_the_file_to_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    code = ending_of(_raised(ZeroDivisionError("by\nnought [/x]")))

    (line,) = capsys.readouterr().err.splitlines()
    (report,) = tmp_path.iterdir()
    assert code == ExitCode.DEFECT
    assert "a defect of pagemill: ZeroDivisionError: by; " in line
    assert str(report) in line
    assert "Traceback" in report.read_text()
    assert "Python 3." in report.read_text()


def test_a_defect_without_a_place_for_a_file_names_the_place_in_the_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))

    assert ending_of(_raised(KeyError("x"))) == ExitCode.DEFECT
    assert "test_endings.py, line " in capsys.readouterr().err


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), ExitCode.WRONG_USAGE),
        (ExceptionGroup("pages", [StoreUnusable("x"), ExceptionGroup("", [StoreUnusable("y")])]), 5),
        (ExceptionGroup("pages", [EndpointNeverAnswered("x")]), ExitCode.ENDPOINT_NEVER_ANSWERED),
        (MemoryError(), ExitCode.WRONG_USAGE),
        (OSError(errno.EMFILE, "x"), ExitCode.WRONG_USAGE),
        (OSError(errno.ENOSPC, "x"), ExitCode.STORE_UNUSABLE),
        (OutOfResources("x"), ExitCode.WRONG_USAGE),
        (ExceptionGroup("pages", [UsageError("x"), ZeroDivisionError("y")]), ExitCode.DEFECT),
    ],
    ids=str,
)
def test_an_error_in_our_own_words_keeps_them_even_in_a_group(error: Exception, code: int) -> None:
    assert ending_of(error) == code


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--endpoint", "http://[::1"], "endpoint 'http://[::1' has a host or a port that is not valid"),
        (["--endpoint", "http://127.0.0.1:99999"], "a port is a number from 1 to 65535"),
        (["--endpoint", "http://:80"], "has a host or a port that is not valid"),
        (["--endpoint", "http://a..b/"], "has a host or a port that is not valid"),
        (
            ["--endpoint", "127.0.0.1:8000"],
            "endpoint '127.0.0.1:8000' has no scheme: type http://",
        ),
        (["--endpoint", "http://a\x1b[2J"], r"http://a\x1b[2J"),
        (["--pages", "9" * 5000], "is not a page or a range"),
        (["--pages", "²"], "is not a page or a range"),
        (["--mode", "[/red]"], "[/red]"),
        (["--max-in-flight", "[/red]"], "'[/red]' must be a whole number"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_wrong_option_is_named_in_plain_words(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    code = main(["run", "in", "out", "--dry-run", *arguments])

    said = capsys.readouterr().err
    assert code == ExitCode.WRONG_USAGE
    assert says in said
    assert not re.search(r"pattern|pydantic|Value error|\\S|\^\(|Traceback", said)


@pytest.mark.parametrize(
    ("source", "destination", "code"),
    [
        ("", "out", 2),
        ("in", "", 2),
        ("~nosuchuser/x", "out", 2),
        ("in", "~nosuchuser/x", 2),
        ("in", "ftp://x", 2),
        ("gs://", "out", 2),
        ("gs://[/x", "out", 2),
        ("x" * 5000, "out", 5),
        ("x" * 5000 + ".txt", "out", 5),
        ("in", "x" * 5000, 5),
        ("loop", "out", 5),
        ("loop.txt", "out", 5),
        ("in", "loop/out", 5),
        (os.fsdecode(b"in\xff"), "out", 2),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_location_that_cannot_be_used_is_named(
    capsys: pytest.CaptureFixture[str], folder: Path, source: str, destination: str, code: int
) -> None:
    assert folder.is_dir()
    assert main(["run", source, destination, "--dry-run", "--endpoint", "http://127.0.0.1:9"]) == code
    assert "defect" not in capsys.readouterr().err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an empty folder and links that lead in a circle."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("loop", "loop.txt"):
        (tmp_path / name).symlink_to(tmp_path / name)
    return tmp_path


_COMMAND = f"{sys.executable} -m pagemill"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{_COMMAND} run --help | true", ExitCode.DONE),
        (f"{_COMMAND} run none out --dry-run 2>/dev/full", ExitCode.STORE_UNUSABLE),
        (f"{_COMMAND} run none out --dry-run 2>&-", ExitCode.STORE_UNUSABLE),
        (f"{_COMMAND} run --help >/dev/full", ExitCode.STORE_UNUSABLE),
    ],
    ids=["a reader that goes", "messages nowhere", "messages closed", "results nowhere"],
)
def test_an_output_that_cannot_be_written_ends_a_command_in_a_known_way(line: str, code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],  # noqa: S607 -- anybody's bash
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
