"""Compares the results of a finished run, document by document, with their truths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pagemill.domain.evaluation.report import Evaluation, ScoredDocument, ScoredPage
from pagemill.domain.evaluation.results import DocumentRecord, ReadPage, read_pages, read_record
from pagemill.domain.evaluation.scores import compare
from pagemill.domain.evaluation.truth import Truth
from pagemill.domain.pages.matching import matches
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.planning import format_pages
from pagemill.domain.wording import counted, shown
from pagemill.errors import UsageError
from pagemill.evaluation.truths import Truths
from pagemill.ports import ObjectStore

_MANIFEST = "/manifest.json"
_MOST_NAMED = 3  # documents without a truth


def is_manifest(key: str) -> bool:
    """Whether a key below a destination is that of a document's manifest."""
    return key.endswith(_MANIFEST) and not key.startswith("_runs/")


def evaluate(
    results: ObjectStore, truths: Truths, *, min_score: float, include: str = "", one_document: bool = False
) -> Evaluation:
    """Compare all documents that have a truth. Blocks.

    Args:
        results: The destination of a run.
        truths: What stands on the pages.
        min_score: `ok` pages with a lower score of the run are suspects.
        include: Only documents whose key matches this glob.
        one_document: Whether the truth is one text, which can be that of one document only.

    Raises:
        UsageError: No document has a truth.
        StoreUnusable: Results or truths cannot be read.
    """
    evaluation = Evaluation(min_score)
    records = list(_records(results, include, evaluation))
    if one_document and len(records) != 1:
        number = counted(len(records), "document")
        raise UsageError(f"TRUTH is one file, and {shown(results.name)} has {number}; name a folder of truths")
    without = []
    for folder, record in records:
        found = truths.of(record.key, record.page_count)
        evaluation.problems.extend(found.problems)
        if found.truth:
            _add_document(evaluation, record, found.truth, results, f"{folder}/pages.jsonl")
        elif not found.problems:
            without.append(shown(record.key))
    evaluation.unused.extend(truths.unused())
    if without:
        evaluation.notes.append(_without_truth(without, evaluation.unused))
    if not evaluation.documents and not evaluation.problems:
        raise UsageError(
            f"no document of {shown(results.name)} has a truth in {shown(truths.name)}; "
            "the truth of a.pdf is a.md, a.txt, or a/0001.md for page 1"
        )
    return evaluation


def _records(results: ObjectStore, include: str, evaluation: Evaluation) -> Iterator[tuple[str, DocumentRecord]]:
    """The folders of documents, each with what its manifest says; what is wrong with one becomes a problem."""
    for key in sorted(filter(is_manifest, results.keys(""))):
        stored = results.read(key)
        try:
            record = read_record(stored.data if stored else b"")
        except ValueError as error:
            name = shown(f"{results.name}/{key}")
            evaluation.problems.append(f"{name} is damaged: {error}; run pagemill again")
            continue
        if matches(record.key, include):
            yield key.removesuffix(_MANIFEST), record


def _add_document(
    evaluation: Evaluation, record: DocumentRecord, truth: Truth, results: ObjectStore, pages_key: str
) -> None:
    try:
        stored = results.read(pages_key) if record.texts else None
        if record.texts and stored is None:
            raise ValueError("it is gone")  # noqa: TRY301 -- one message for all
        pages = read_pages(stored.data, record) if stored else []
    except ValueError as error:
        name = shown(f"{results.name}/{pages_key}")
        evaluation.problems.append(f"{name} cannot be used: {error}; run pagemill again")
        return
    scored = [_whole(pages, record, truth)] if truth.whole else list(_by_page(pages, record, truth))
    evaluation.notes.extend(f"{shown(record.key)}: {note}" for note in _notes(pages, record, truth))
    if scored:
        evaluation.documents.append(ScoredDocument(record.key, scored, record.pages, record.seconds, record.cost_usd))


def _whole(pages: Sequence[ReadPage], record: DocumentRecord, truth: Truth) -> ScoredPage:
    text = "\n\n".join(page.markdown for page in pages)
    return ScoredPage(
        None, None, None, compare(text, truth.whole, markdown=truth.markdown, pages=max(record.page_count, 1))
    )


def _by_page(pages: Sequence[ReadPage], record: DocumentRecord, truth: Truth) -> Iterator[ScoredPage]:
    read = {page.number: page for page in pages}
    if not record.page_count:  # nothing of it could be read
        read = {number: ReadPage(number, Status.FAILED, "") for number in truth.pages}
    for number, text in sorted(truth.pages.items()):
        if page := read.get(number):
            comparison = compare(page.markdown, text, markdown=truth.markdown)
            yield ScoredPage(number, page.status, page.score, comparison)


def _notes(pages: Sequence[ReadPage], record: DocumentRecord, truth: Truth) -> Iterator[str]:
    if record.error and not pages:
        yield f"it could not be read, so all of it counts as missing: {record.error}"
        return
    if truth.whole:
        left_out = (
            f"; {len(pages)} of {record.page_count} pages have a result" if len(pages) < record.page_count else ""
        )
        yield f"its truth has no page markers and no form feeds, so it is compared as a whole{left_out}"
        return
    read, existing = {page.number for page in pages}, range(1, record.page_count + 1)
    if beyond := sorted(number for number in truth.pages if number not in existing):
        yield f"the truth has page {format_pages(beyond)}, and the document has {record.page_count}"
    if missing := [number for number in existing if number not in truth.pages]:
        yield f"no truth for page {format_pages(missing)}"
    if unread := [number for number in existing if number in truth.pages and number not in read]:
        yield f"no result for page {format_pages(unread)}; the run left it out"


def _without_truth(documents: Sequence[str], unused: Sequence[str]) -> str:
    named = ", ".join(documents[:_MOST_NAMED]) + (", ..." if len(documents) > _MOST_NAMED else "")
    beside = ", ".join(map(shown, unused[:_MOST_NAMED])) + (", ..." if len(unused) > _MOST_NAMED else "")
    return f"{len(documents)} without a truth: {named}" + (f"; truths of no document: {beside}" if unused else "")
