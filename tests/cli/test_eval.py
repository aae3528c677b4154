from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pagemill.cli.main import app
from pagemill.domain.pages.model import PageResult, Status
from pagemill.storage.local_store import LocalStore
from tests.fakes.ocr_process import running_endpoint
from tests.pdfs import numbered_pdf
from tests.published import publish


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The destination of a run over two documents, of which one page failed."""
    folder = tmp_path / "out"
    table = "# Ferries\n\n| ferry | leaves |\n|---|---|\n| Orrin | 07:15 |"
    publish(LocalStore(folder), "a.pdf", [PageResult(1, Status.OK, table, seconds=3.0)])
    failed = PageResult(2, Status.FAILED, objections=("cut off",), seconds=1.0)
    publish(LocalStore(folder), "b.pdf", [PageResult(1, Status.OK, "Dogs on a lead", seconds=2.0), failed])
    return folder


@pytest.fixture
def truths(tmp_path: Path) -> Path:
    """What stands there: one cell is another, and the failed page is not blank."""
    folder = tmp_path / "truth"
    folder.mkdir()
    (folder / "a.md").write_text("# Ferries\n\n| ferry | leaves |\n|---|---|\n| Orrin | 07:45 |")
    (folder / "b.txt").write_text("Dogs on a lead\n\fNo cars")
    return folder


def _eval(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


def test_the_scores_of_a_finished_run_are_a_table(results: Path, truths: Path) -> None:
    shown = _eval(results, truths)

    assert shown.exit_code == 0, shown.output
    rows = {words[0]: words[1:] for words in map(str.split, shown.stdout.splitlines()) if words}
    assert rows["a.pdf"] == ["1", "0.031", "0.031", "0.800", "0.800", "0.750", "1.000", "-"]
    assert rows["b.pdf"] == ["2", "0.333", "0.333", "0.800", "0.800", "-", "-", "-"]
    assert "3 pages (2 ok, 1 failed); 0 loops; 0 invented words on 3 blank or sparse pages" in shown.stdout
    assert "suspects: not known, because the results have no scores" in shown.stdout
    assert "2.00 s from sending a page to its answer, $0.002000 a page" in shown.stdout
    assert "b.pdf, page 2 (failed): CER of blocks 1.000" in shown.stdout


def test_the_scores_are_one_json_object_on_the_last_line(results: Path, truths: Path) -> None:
    shown = _eval(results, truths, "--json")

    found = json.loads(shown.stdout)
    assert (found["documents"], found["pages"], found["cells_f1"]) == (2, 3, 0.75)
    assert [document["document"] for document in found["document_list"]] == ["a.pdf", "b.pdf"]
    assert "CER" in shown.stderr


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (("--max-cer", "0.1"), "the character error rate is 0.1509, above 0.1"),
        (("--min-word-f1", "0.9"), "word F1 is 0.8000, below 0.9"),
    ],
)
def test_a_score_that_is_worse_than_asked_for_ends_with_3(
    limit: tuple[str, str], words: str, results: Path, truths: Path
) -> None:
    missed, kept = _eval(results, truths, *limit), _eval(results, truths, limit[0], "0.5")

    assert missed.exit_code == 3
    assert words in missed.stderr
    assert kept.exit_code == 0


def test_truths_that_cannot_be_used_end_with_3_and_the_others_are_scored(results: Path, truths: Path) -> None:
    (truths / "b.txt").write_bytes("déjà".encode("latin-1"))

    shown = _eval(results, truths)

    assert shown.exit_code == 3
    assert "b.txt is no UTF-8, from byte 2 on; convert it" in shown.stderr
    assert "a.pdf" in shown.stdout


def test_wrong_usage_is_said_in_words(results: Path, truths: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    for arguments, words in (
        ((results, tmp_path / "none"), "the truth of a.pdf is a.md, a.txt, or a/0001.md for page 1"),
        ((results, tmp_path / "nowhere"), "nowhere: no such file or folder"),
        ((results, ""), "TRUTH is empty"),
        ((results, "s3://x"), "TRUTH 's3://x' is neither a local path nor gs://BUCKET/PREFIX"),
        (("", truths), "SOURCE is empty"),
        ((results, truths / "a.md"), "TRUTH is one file, and"),
        ((results, truths, "--keep", "x", "--pages", "1"), "leave out --pages and --keep"),
        ((results, truths, "--min-score", "2"), "min-score"),
    ):
        shown = _eval(*arguments)
        assert shown.exit_code == 2, arguments
        assert words in shown.stderr


def test_a_source_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "a.txt").write_text("one")

    shown = _eval(tmp_path / "none", tmp_path)

    assert shown.exit_code == 5
    assert "none: no such file or folder" in shown.stderr
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_source_is_read_first_and_what_was_read_is_kept_only_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    numbered_pdf(tmp_path / "in" / "a.pdf", 2)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with running_endpoint(latency_seconds=0.0) as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(temporary))
        (tmp_path / "in" / "a.txt").write_text("Page 1\n\fPage 2")
        read = _eval(tmp_path / "in", tmp_path / "in", "--endpoint", endpoint.url)
        kept = _eval(tmp_path / "in", tmp_path / "in", "--endpoint", endpoint.url, "--keep", tmp_path / "kept")

    assert read.exit_code == kept.exit_code == 0, read.output + kept.output
    assert "a.pdf" in read.stdout
    assert list(temporary.glob("pagemill-eval-*")) == []
    assert (tmp_path / "kept" / "a.pdf" / "manifest.json").exists()
    assert _eval(tmp_path / "kept", tmp_path / "in").stdout == kept.stdout
