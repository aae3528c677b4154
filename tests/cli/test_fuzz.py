"""Command lines and settings by chance: each ends with a message and an exit code of the README, and soon.

`FUZZ_SEEDS=600 .venv/bin/python -m pytest tests/cli/test_fuzz.py` tries more of them than CI does.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic_settings import BaseSettings

from pagemill.cli.main import main
from pagemill.cli.support import ExitCode
from pagemill.config.pool import PoolSettings
from pagemill.config.run import Settings
from pagemill.config.service import ServiceSettings

_SEEDS = int(os.environ.get("FUZZ_SEEDS", "40"))
_MOST_CPU_SECONDS = 3.0

_NUMBERS = [
    "-1",
    "0",
    "1",
    "2",
    "65",
    "1.5",
    "1e3",
    "1e309",
    "nan",
    "-inf",
    "1_000",
    "0x10",
    "²",
    "٣",
    "9" * 30,
    "9" * 5000,
]
_WORDS = ["", " ", "x", "true", "null", "[]", "{}", "{x}", "%s", "$HOME", "-", "--", "x" * 10_000, "日本", "ﬀ", "a\nb"]
_MARKUP = ["[/red]", "[bold]", ":smile:", "\x1b[2J", "\x07", "\u202e", "\u200b", os.fsdecode(b"\xff\xfe")]
_PATHS = ["in", "a.pdf", "list.txt", "none", "~nosuchuser/x", "loop", "/dev/null", "gs://", "gs://B/x", "s3://b"]
_URLS = [
    "local",
    "http://[::1",
    "http://127.0.0.1:9",
    "http://:1",
    "https://",
    "ftp://x",
    "http://a b",
    "http://x:99999",
]
_PAGES = ["1", "1-3,7,10-", "-", "3-1", "0", "1,,2", "1-2-3"]
_TIMES = ["2026-11-01", "2026-11-01T12:00:00Z", "2026-02-30", "0001-01-01", "9999-12-31T23:59:59+14:00", "24:00", "1"]
_ANYTHING = [*_NUMBERS, *_WORDS, *_MARKUP, *_PATHS, *_URLS, *_PAGES, *_TIMES]

_OPTIONS = {
    "run": [
        "--endpoint",
        "--include",
        "--pages",
        "--max-in-flight",
        "--mode",
        "--shards",
        "--json",
        "--since",
        "--until",
        "--share",
        "--prefect",
    ],
    "eval": [
        "--endpoint",
        "--include",
        "--pages",
        "--mode",
        "--keep",
        "--min-score",
        "--max-cer",
        "--min-word-f1",
        "--json",
    ],
    "register": ["--slots", "--check"],
    "deploy": [
        *("--max-instances", "--dry-run", "--rollback", "--delete", "--approval", "--region", "--smoke"),
        *("--revision", "--cpu", "--memory", "--wait-for-idle", "--canary", "--logs"),
    ],
    "status": [],
    "build-runner": [],
    "endpoint": ["--engine", "--workers"],
    "doctr": [],
}
_FLAGS = {
    "--dry-run",
    "--json",
    "--prefect",
    "--check",
    "--rollback",
    "--delete",
    "--approval",
    "--smoke",
    "--wait-for-idle",
    "--logs",
}
_FITTING = {
    "--endpoint": _URLS,
    "--pages": _PAGES,
    "--since": _TIMES,
    "--until": _TIMES,
    "--mode": ["auto", "force", "text"],
    "--canary": ["5,50,100", "100", "5,5", "0", "5,,6", "1_0,20", "٣", "9" * 5000],
    "--include": ["*.pdf", "[", "**"],
}
# Without what would be waited for or started: Google Cloud, an emulator.
_NEVER_SET = {"GOOGLE_CLOUD_PROJECT", "PREFECT_API_URL", "STORAGE_EMULATOR_HOST"}


def _command_line(rng: random.Random) -> list[str]:
    command = rng.choice([*["run"] * 5, *_OPTIONS, "eval"])
    words = [command]
    if command in {"run", "eval"}:
        words += [
            rng.choice(_PATHS if rng.random() < 0.7 else _ANYTHING) for _ in range(rng.choice([1, 2, 2, 2, 2, 3]))
        ]
    if command == "run":
        words += rng.choice([[], ["--dry-run"], ["--dry-run"]])
    if command == "endpoint":  # at an address that nobody can listen on
        words += ["--host", rng.choice(["192.0.2.1", "nosuchhost.invalid", "[/red]", "x" * 300])]
    for option in rng.sample(_OPTIONS[command], k=rng.randint(0, min(3, len(_OPTIONS[command])))):
        words.append(option)
        if option not in _FLAGS:
            fitting = _FITTING.get(option, _NUMBERS)
            words.append(rng.choice(fitting if rng.random() < 0.6 else _ANYTHING))
    if rng.random() < 0.1:
        words.insert(rng.randint(0, len(words)), rng.choice([*_ANYTHING, "--nonsense", "-x", "--help"]))
    return words


def _variables(rng: random.Random) -> dict[str, str]:
    known = [name for kind in (Settings, PoolSettings, ServiceSettings) for name in _names(kind)]
    chosen = rng.sample(known, k=rng.choice([0, 0, 1, 2])) + rng.choices(["PAGEMILL_NONSENSE", "HTTP_PROXY"], k=1)
    return {name: rng.choice(_ANYTHING) for name in chosen}


def _names(kind: type[BaseSettings]) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        variable = str(field.validation_alias or f"{kind.model_config['env_prefix']}{name.upper()}")
        if variable not in _NEVER_SET and not variable.endswith("_EMULATOR_HOST"):
            yield variable


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: one that holds little."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a.pdf").write_bytes(b"no PDF")
    (tmp_path / "list.txt").write_text("a.pdf\n~nosuchuser\n\n#\n" + "x" * 5000)
    return tmp_path


@pytest.mark.parametrize("seed", range(_SEEDS))
def test_any_command_line_ends_with_a_message_and_an_exit_code_of_the_readme(
    seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(seed)  # noqa: S311 -- no secret
    words = _command_line(rng)
    for name, value in _variables(rng).items():
        monkeypatch.setenv(name, value)
    began = time.process_time()

    # A run whose arguments are right would write wherever they say; a dry run reads what is there.
    dry = "--dry-run" in words and "--" not in words  # after which it is no option
    away = {} if dry else {PREFECT_API_URL: "http://127.0.0.1:9/api"}
    if not dry:
        monkeypatch.setenv("PREFECT_API_URL", away[PREFECT_API_URL])
    with temporary_settings(away):
        code = main(words)

    said = "".join(capsys.readouterr())
    assert code in set(ExitCode) - {ExitCode.DEFECT}, (words, said)
    assert code == ExitCode.DONE or said, words
    assert not re.search(r"Traceback|pydantic|Value error|Input should|String should|\^\(|\\S\+", said), (words, said)
    assert "\x1b[2J" not in said, words
    assert time.process_time() - began < _MOST_CPU_SECONDS, words
    assert folder.is_dir()
