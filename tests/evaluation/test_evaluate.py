from __future__ import annotations

import json

import pytest

from pagemill.domain.evaluation.report import Evaluation
from pagemill.domain.pages.model import PageResult, Status
from pagemill.errors import UsageError
from pagemill.evaluation.evaluate import evaluate
from pagemill.evaluation.truths import Truths
from tests.fakes.memory_store import MemoryStore
from tests.published import publish

_LONG = " ".join(f"word{number}" for number in range(40))
_MEGABYTE = 2**20


def _ok(number: int, text: str, score: float | None = None) -> PageResult:
    return PageResult(number, Status.OK, text, attempts=1, seconds=2.0, score=score)


def _evaluated(
    results: MemoryStore, truths: dict[str, str | bytes], *, only: str = "", include: str = ""
) -> Evaluation:
    store = MemoryStore()
    for key, text in truths.items():
        store.write(key, text if isinstance(text, bytes) else text.encode(), content_type="text/plain")
    found = Truths(store, only=only)
    return evaluate(results, found, min_score=0.8, include=include, one_document=bool(only))


def _results(*documents: tuple[str, list[PageResult]]) -> MemoryStore:
    store = MemoryStore()
    for key, pages in documents:
        publish(store, key, pages)
    return store


@pytest.mark.parametrize(
    "truths",
    [
        {"2024/a.md": "<!-- page 1 -->\none\n<!-- page 2 -->\ntwo"},
        {"2024/a.txt": "one\n\ftwo\n\f"},
        {"2024/a.pdf.txt": "\ufeffone\r\n\ftwo"},
        {"2024/a/0001.md": "one", "2024/a/2.txt": "two"},
        {"2024/a.pdf/0001.txt": "one", "2024/a.pdf/0002.txt": "two"},
    ],
)
def test_a_truth_is_found_beside_the_documents_name(truths: dict[str, str | bytes]) -> None:
    found = _evaluated(_results(("2024/a.pdf", [_ok(1, "one"), _ok(2, "tvo")])), truths)

    assert [(page.number, page.comparison.sums.edits) for page in found.documents[0].pages] == [(1, 0), (2, 1)]
    assert (found.problems, found.notes, found.unused) == ([], [], [])


def test_the_text_of_the_only_document_may_have_any_name() -> None:
    results = _results(("a.pdf", [_ok(1, "one")]), ("b.pdf", [_ok(1, "two")]))

    assert _evaluated(results, {"truth.txt": "two"}, only="truth.txt", include="b*").sums.edits == 0
    with pytest.raises(UsageError, match=r"TRUTH is one file, and memory has 2 documents; name a folder"):
        _evaluated(results, {"truth.txt": "two"}, only="truth.txt")


def test_pages_without_truth_and_truths_without_page_are_said_and_lose_nothing_else() -> None:
    store = MemoryStore()
    publish(store, "a.pdf", [_ok(1, "one"), _ok(2, "two"), _ok(4, "four")], page_count=4)
    publish(store, "b.pdf", [_ok(1, "one")])

    found = _evaluated(
        store, {"a/1.txt": "one", "a/3.txt": "three", "a/4.txt": "fuor", "a/9.txt": "nine", "c.txt": "c"}
    )

    assert [page.number for page in found.documents[0].pages] == [1, 4]
    assert found.notes == [
        "a.pdf: the truth has page 9, and the document has 4",
        "a.pdf: no truth for page 2",
        "a.pdf: no result for page 3; the run left it out",
        "1 without a truth: b.pdf; truths of no document: c.txt",
    ]


def test_a_truth_that_is_not_cut_into_pages_is_compared_as_a_whole() -> None:
    found = _evaluated(_results(("a.pdf", [_ok(1, "one"), _ok(2, "two")])), {"a.txt": "one\ntwo"})

    (page,) = found.documents[0].pages
    assert (page.number, page.comparison.sums.pages, page.comparison.sums.edits) == (None, 2, 0)
    assert found.notes == ["a.pdf: its truth has no page markers and no form feeds, so it is compared as a whole"]


def test_failed_pages_and_unreadable_documents_count_as_missing() -> None:
    store = _results(("a.pdf", [_ok(1, "one"), PageResult(2, Status.FAILED, objections=("cut off",))]))
    publish(store, "b.pdf", [], error="no PDF")

    found = _evaluated(store, {"a.txt": "one\fthree", "b.txt": "seven"})

    assert (found.sums.characters, found.sums.edits) == (13, 10)
    assert found.statuses == {Status.OK: 1, Status.FAILED: 1}  # a whole document has no status
    assert found.notes == ["b.pdf: it could not be read, so all of it counts as missing: no PDF"]


def test_truths_that_cannot_be_used_are_problems_by_name() -> None:
    results = _results(*((f"{name}.pdf", [_ok(1, "one")]) for name in "abcde"))
    truths: dict[str, str | bytes] = {
        "a.txt": "d\xe9j\xe0".encode("latin-1"),
        "b.md": "",
        "c/1.md": "one",
        "c/01.md": "one",
        "d.md": "x\n<!-- page 1 -->",
        "e.txt": "one",
    }

    found = _evaluated(results, truths)

    assert [document.key for document in found.documents] == ["e.pdf"]
    assert found.problems == [
        "memory/a.txt is no UTF-8, from byte 2 on; convert it, for example: iconv -f latin1 -t utf-8",
        "memory/b.md is empty; if the page is blank, write: <!-- page 1 -->",
        "memory/c/01.md and memory/c/1.md are the same page; remove one",
        "memory/d.md has a text before its first page marker",
    ]


def test_results_that_are_damaged_are_problems_by_name() -> None:
    results = _results(*((f"{name}.pdf", [_ok(1, "one")]) for name in "abcd"))
    results.write("a.pdf/manifest.json", b"{", content_type="")
    results.write("b.pdf/pages.jsonl", b"{}", content_type="")
    results.discard("c.pdf/pages.jsonl", if_version=results.version("c.pdf/pages.jsonl"))

    found = _evaluated(results, {f"{name}.txt": "one" for name in "abcd"})

    assert [document.key for document in found.documents] == ["d.pdf"]
    assert [problem.partition(" ")[0] for problem in found.problems] == [
        "memory/a.pdf/manifest.json",
        "memory/b.pdf/pages.jsonl",
        "memory/c.pdf/pages.jsonl",
    ]
    assert all(problem.endswith("; run pagemill again") for problem in found.problems)


def test_without_any_truth_it_is_said_what_a_truth_is_called() -> None:
    with pytest.raises(UsageError, match=r"no document of memory has a truth in memory; the truth of a\.pdf is a\.md"):
        _evaluated(_results(("a.pdf", [_ok(1, "one")])), {"b.txt": "one"})


def test_the_summaries_of_runs_are_no_documents() -> None:
    results = _results(("a.pdf", [_ok(1, "one")]))
    results.write("_runs/r/manifest.json", b"{}", content_type="")

    assert _evaluated(results, {"a.txt": "one"}).problems == []


def test_suspects_are_counted_beside_the_pages_that_are_wrong() -> None:
    texts = [(_LONG, 0.9), (_LONG, 0.3), ("other words", 0.2), (_LONG, None)]
    pages = [_ok(number, text, score) for number, (text, score) in enumerate(texts, start=1)]
    results = _results(("a.pdf", [*pages, PageResult(5, Status.FAILED)]))

    found = _evaluated(results, {"a.txt": "\f".join([_LONG] * 5)})

    suspects = found.suspects
    assert suspects.judged == 3  # a page without a score and one that failed are not judged
    assert (suspects.agreement.wanted, suspects.agreement.found, suspects.agreement.both) == (1, 2, 1)
    assert (suspects.precision, suspects.recall) == (0.5, 1.0)


def test_scores_that_are_not_there_are_not_known() -> None:
    found = _evaluated(_results(("a.pdf", [_ok(1, _LONG)])), {"a.txt": _LONG}).as_dict()

    assert (found["judged"], found["wrong"], found["suspects"], found["suspects_recall"]) == (0, None, None, None)


def test_seconds_and_dollars_are_those_of_the_manifests() -> None:
    found = _evaluated(_results(("a.pdf", [_ok(1, "one"), _ok(2, "two")])), {"a/1.txt": "one"})

    assert (found.seconds_a_page, found.usd_a_page) == (2.0, 0.002)


def test_what_is_printed_as_json_has_every_page() -> None:
    found = _evaluated(
        _results(("a.pdf", [_ok(1, "one"), PageResult(2, Status.BLANK)])), {"a.txt": "one\f\f"}
    ).as_dict()

    (document,) = json.loads(json.dumps(found))["document_list"]
    assert [(page["page"], page["status"], page["kind"], page["cer"]) for page in document["page_list"]] == [
        (1, "ok", "sparse", 0.0),
        (2, "blank", "blank", None),
    ]


def test_a_megabyte_beside_a_short_truth_is_scored() -> None:
    text = "and so on " * (_MEGABYTE // 10)

    found = _evaluated(_results(("a.pdf", [_ok(1, text)])), {"a.txt": "It went on"}).sums

    assert found.loops == 1
    assert found.invented == 3 * (_MEGABYTE // 10) - 3
