"""The result of an evaluation: scores of pages, of documents, and of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pagemill.domain.evaluation.scores import Comparison, Sums, total
from pagemill.domain.evaluation.texts import Agreement
from pagemill.domain.pages.model import Status


@dataclass(frozen=True, slots=True)
class ScoredPage:
    """One page beside its truth; or a whole document, whose truth is not cut into pages."""

    number: int | None  # None: the whole document
    status: Status | None  # None: the whole document
    score: float | None  # what the run thought of the page; None: not known
    comparison: Comparison

    def is_suspect(self, min_score: float) -> bool:
        """Whether the run trusted the page less than that."""
        return self.score is not None and self.score < min_score

    def as_dict(self, min_score: float) -> dict[str, object]:
        """The page as JSON-ready values."""
        return {
            "page": self.number,
            "status": self.status.value if self.status else None,
            "score": self.score,
            "suspect": self.is_suspect(min_score) if self.score is not None else None,
            "wrong": self.comparison.wrong,
            "kind": self.comparison.kind.value,
            **scores_of(self.comparison.sums),
        }


@dataclass(frozen=True, slots=True)
class ScoredDocument:
    """One document that has a truth."""

    key: str
    pages: Sequence[ScoredPage]
    results: int  # pages with a result, also those without a truth: what seconds and cost are of
    seconds: float
    cost_usd: float

    @property
    def sums(self) -> Sums:
        """The sums over its pages."""
        return total(page.comparison.sums for page in self.pages)


@dataclass(frozen=True, slots=True)
class Suspects:
    """How well the run's own scores find the pages that are wrong, among the `ok` pages that have a score."""

    judged: int
    agreement: Agreement  # wanted: wrong pages; found: suspects

    @property
    def precision(self) -> float | None:
        """The share of suspects that are wrong; None without suspects."""
        return self.agreement.both / self.agreement.found if self.agreement.found else None

    @property
    def recall(self) -> float | None:
        """The share of wrong pages that are suspects; None without wrong pages."""
        return self.agreement.both / self.agreement.wanted if self.agreement.wanted else None


@dataclass(frozen=True)
class Evaluation:
    """All documents that have a truth."""

    min_score: float  # `ok` pages below it are suspects
    documents: list[ScoredDocument] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # truths and results that cannot be used
    notes: list[str] = field(default_factory=list)  # what was not compared
    unused: list[str] = field(default_factory=list)  # truths of no document

    @property
    def sums(self) -> Sums:
        """The sums over all pages."""
        return total(document.sums for document in self.documents)

    @property
    def statuses(self) -> Counter[Status]:
        """How many of the compared pages have each status; whole documents are not counted."""
        return Counter(page.status for document in self.documents for page in document.pages if page.status)

    @property
    def suspects(self) -> Suspects:
        """How well suspects and wrong pages agree."""
        judged = [
            page
            for document in self.documents
            for page in document.pages
            if page.status is Status.OK and page.score is not None
        ]
        wrong = [page for page in judged if page.comparison.wrong]
        suspects = [page for page in judged if page.is_suspect(self.min_score)]
        both = sum(page.is_suspect(self.min_score) for page in wrong)
        return Suspects(len(judged), Agreement(len(wrong), len(suspects), both))

    @property
    def seconds_a_page(self) -> float | None:
        """From the first send of a page to its last answer, in the mean over all pages with a result."""
        pages = sum(document.results for document in self.documents)
        return sum(document.seconds for document in self.documents) / pages if pages else None

    @property
    def usd_a_page(self) -> float | None:
        """The cost of a page, in the mean over all pages with a result."""
        pages = sum(document.results for document in self.documents)
        return sum(document.cost_usd for document in self.documents) / pages if pages else None

    def as_dict(self) -> dict[str, object]:
        """The object that `--json` prints. Other programs read these keys."""
        suspects = self.suspects
        return {
            "documents": len(self.documents),
            **scores_of(self.sums),
            "statuses": {status.value: self.statuses[status] for status in Status},
            "min_score": self.min_score,
            "judged": suspects.judged,
            "wrong": suspects.agreement.wanted if suspects.judged else None,
            "suspects": suspects.agreement.found if suspects.judged else None,
            "suspects_precision": _rounded(suspects.precision),
            "suspects_recall": _rounded(suspects.recall),
            "seconds_a_page": _rounded(self.seconds_a_page),
            "usd_a_page": _rounded(self.usd_a_page, 6),
            "document_list": [self._document(document) for document in self.documents],
            "problems": self.problems,
            "notes": self.notes,
            "truths_unused": self.unused,
        }

    def _document(self, document: ScoredDocument) -> dict[str, object]:
        return {
            "document": document.key,
            **scores_of(document.sums),
            "page_list": [page.as_dict(self.min_score) for page in document.pages],
        }


def scores_of(sums: Sums) -> dict[str, object]:
    """Scores as JSON-ready values; null where there is nothing to compare."""
    return {
        "pages": sums.pages,
        "cer": _rounded(sums.cer),
        "block_cer": _rounded(sums.block_cer),
        "word_f1": _rounded(sums.words.f1),
        "word_order_f1": _rounded(sums.ordered.f1),
        "cells_f1": _rounded(sums.cells.f1),
        "headings_f1": _rounded(sums.headings.f1),
        "items_f1": _rounded(sums.items.f1),
        "loops": sums.loops,
        "bare_pages": sums.bare,
        "invented_words": sums.invented,
    }


def _rounded(number: float | None, digits: int = 4) -> float | None:
    return None if number is None else round(number, digits)
