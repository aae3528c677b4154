from __future__ import annotations

from importlib.metadata import version

import pytest

from pagemill.cli.main import main


@pytest.mark.parametrize("command", ["run", "watch", "endpoint", "register", "doctor", "deploy", "status"])
def test_help_has_no_types_beside_flags_and_arguments_as_they_are_typed(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")

    assert main([command, "-h"]) == 0

    said = capsys.readouterr().out
    assert f"Usage: pagemill {command}" in said
    assert not any(unwanted in said for unwanted in ("<bool>", "<int", "<str>", "{"))
    assert "-h" in said


def test_the_usage_of_a_run_names_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0

    assert "pagemill run [OPTIONS] SOURCE DESTINATION" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0

    assert capsys.readouterr().out == f"pagemill {version('pagemill')}\n"


def test_a_key_that_is_not_set_is_named_before_anything_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)

    assert main(["run", "in", "out", "--api-key-env", "NO_SUCH_KEY"]) == 2

    assert "the variable NO_SUCH_KEY, which --api-key-env names, is not set" in capsys.readouterr().err
