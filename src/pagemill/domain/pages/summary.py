"""The summary of a run."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pagemill.domain.pages import strict_json, trust
from pagemill.domain.pages.model import Status
from pagemill.domain.pages.strict_json import JsonObject
from pagemill.domain.pages.trust import Trust
from pagemill.domain.wording import counted, encodable
from pagemill.errors import PagemillError, kind_of, reported

_TROUBLES = ("unreadable", "not published", "not finished")


@dataclass(frozen=True, slots=True)
class DocumentOutcome:
    """The result of one document of a run."""

    key: str
    pages: int
    statuses: Mapping[Status, int]
    reused: int = 0  # pages with a result of an earlier run
    seconds: float = 0.0
    error: str = ""  # why no page of the document could be read
    failures: Mapping[int, str] = field(default_factory=dict)  # page number to reason
    suspects: Mapping[int, Trust] = field(default_factory=dict)  # `ok` pages with a low score, by page number
    findings: tuple[str, ...] = ()  # what is wrong with the document as a whole, or not read
    finished: bool = True  # False: the run stopped before; `pages` are those with a result

    @property
    def failed(self) -> bool:
        """Whether a page or the whole document is missing from the output."""
        return bool(self.error or self.statuses.get(Status.FAILED))

    @property
    def trouble(self) -> str:
        """Why the document as a whole is not what was asked for; empty if it is, whatever became of its pages."""
        if self.error:
            return "not published" if self.pages else "unreadable"
        return "" if self.finished else "not finished"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run. `pages` is always the sum over the five statuses, and over the documents."""

    run_id: str
    documents: int
    statuses: Mapping[Status, int]
    reused: int
    requests: int
    seconds: float
    cost_usd: float
    destination: str
    outcomes: tuple[DocumentOutcome, ...]
    stopped_by: PagemillError | None = None  # why the run ended early; finished pages are kept
    first_sent_at: dt.datetime | None = None  # UTC; with the next: the time in which the service was busy
    last_answer_at: dt.datetime | None = None
    images: Mapping[str, int] = field(default_factory=dict)  # files beside the PDFs that were not read, by ending
    suspects_fail: bool = False  # a suspect counts as a failure for the exit code
    witness: str = ""  # who could be asked about pages with little on them; empty: nobody

    @property
    def pages(self) -> int:
        """Pages with a result, read now or earlier."""
        return sum(self.statuses.values())

    @property
    def complete(self) -> bool:
        """Whether every document is finished, and no page of it failed."""
        return not self.stopped_by and not any(outcome.failed or not outcome.finished for outcome in self.outcomes)

    @property
    def suspects(self) -> int:
        """How many `ok` pages have a score below the threshold of the run."""
        return sum(len(outcome.suspects) for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether it is complete, and has no suspects if the settings say that they fail."""
        return self.complete and not (self.suspects_fail and self.suspects)

    @property
    def trouble(self) -> str:
        """What has no result, pages and documents apart; empty if nothing."""
        documents = Counter(outcome.trouble for outcome in self.outcomes)
        return trouble(documents, failed_pages=self.statuses.get(Status.FAILED, 0))

    def as_dict(self) -> dict[str, object]:
        """The object that `--json` prints. Other programs read these keys."""
        return self._counts() | {"failures": list(self._failures()), "suspect_pages": list(self._suspects())}

    def _failures(self) -> Iterator[dict[str, object]]:
        """Each failed document and page, with its reason; the page is None where the whole document failed."""
        for outcome in self.outcomes:
            if outcome.error:
                yield {"document": outcome.key, "page": None, "reason": encodable(outcome.error)}
            for page, reason in sorted(outcome.failures.items()):
                yield {"document": outcome.key, "page": page, "reason": reason}

    def _suspects(self) -> Iterator[dict[str, object]]:
        for outcome in self.outcomes:
            for entry in trust.as_json(outcome.suspects):
                yield {"document": outcome.key} | entry

    def _counts(self) -> dict[str, object]:
        counts: Counter[Status] = Counter(self.statuses)
        return {
            "run_id": self.run_id,
            "documents": self.documents,
            "pages": self.pages,
            **{status.value: counts[status] for status in Status},
            "suspects": self.suspects,
            "reused": self.reused,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "pages_per_second": round((self.pages - self.reused) / self.seconds, 3) if self.seconds else 0.0,
            "cost_usd": round(self.cost_usd, 6),
            "destination": encodable(self.destination),
            "documents_failed": sum(bool(outcome.error) for outcome in self.outcomes),
            "documents_unfinished": sum(not outcome.finished for outcome in self.outcomes),
            "images_not_read": dict(sorted(self.images.items())),
            "error": str(self.stopped_by) if self.stopped_by else None,
            "error_type": kind_of(self.stopped_by) if self.stopped_by else None,
        }

    def to_json(self) -> Iterator[str]:
        """The content of `summary.json`, in parts: one line for each document, of which there may be 100,000."""
        body = self._counts() | {
            "first_sent_at": _written(self.first_sent_at),
            "last_answer_at": _written(self.last_answer_at),
            "suspects_fail": self.suspects_fail,
            "witness": self.witness or None,
            "document_list": [],
        }
        yield json.dumps(body, ensure_ascii=False, indent=2).removesuffix("]\n}")
        separator = "\n    "
        for outcome in self.outcomes:
            yield separator + json.dumps(_outcome(outcome), ensure_ascii=False)
            separator = ",\n    "
        yield "\n  ]\n}\n"


def trouble(documents: Mapping[str, int], *, failed_pages: int) -> str:
    """What has no result, pages and documents apart: "2 pages failed, 1 document unreadable"; empty if nothing.

    Args:
        documents: How many documents there are of each `DocumentOutcome.trouble`.
        failed_pages: How many pages failed.
    """
    pages = [f"{counted(failed_pages, 'page')} failed"] if failed_pages else []
    kinds = [f"{counted(documents[kind], 'document')} {kind}" for kind in _TROUBLES if documents.get(kind)]
    return ", ".join(pages + kinds)


def read_summary(text: bytes) -> RunSummary:
    """Parse a `summary.json`.

    Raises:
        ValueError: The text is not a summary.
    """
    try:
        body = strict_json.parse(text)
        error = body.text_or_none("error")
        return RunSummary(
            run_id=body.text("run_id"),
            documents=body.count("documents"),
            statuses=_read_statuses(body),
            reused=body.count("reused"),
            requests=body.count("requests"),
            seconds=body.amount("seconds"),
            cost_usd=body.amount("cost_usd"),
            destination=body.text("destination"),
            outcomes=tuple(map(_read_outcome, body.objects("document_list"))),
            stopped_by=reported(body.text("error_type"), error) if error else None,
            first_sent_at=_read_time(body.text_or_none("first_sent_at")),
            last_answer_at=_read_time(body.text_or_none("last_answer_at")),
            images=_read_images(body),
            suspects_fail=body.flag("suspects_fail") if "suspects_fail" in body.names else False,
            witness=(body.text_or_none("witness") or "") if "witness" in body.names else "",
        )
    except ValueError as problem:
        raise ValueError(f"not the summary of a run: {problem}") from problem


def _written(moment: dt.datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None


def _read_time(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment} has no time zone")
    return moment


def _read_statuses(body: JsonObject) -> dict[Status, int]:
    return {status: body.count(status.value) for status in Status}


def _read_images(body: JsonObject) -> dict[str, int]:
    if "images_not_read" not in body.names:
        return {}
    images = body.object("images_not_read")
    return {ending: images.count(ending) for ending in images.names}


def _read_outcome(body: JsonObject) -> DocumentOutcome:
    return DocumentOutcome(
        key=body.text("key"),
        pages=body.count("pages"),
        statuses=_read_statuses(body.object("statuses")),
        reused=body.count("reused"),
        seconds=body.amount("seconds"),
        error=body.text_or_none("error") or "",
        failures={failure.count("page", least=1): failure.text("reason") for failure in body.objects("failures")},
        findings=body.texts("findings") if "findings" in body.names else (),
        suspects=trust.from_json(body.objects("suspects")) if "suspects" in body.names else {},
        finished=body.flag("finished") if "finished" in body.names else True,
    )


def _outcome(outcome: DocumentOutcome) -> dict[str, object]:
    return {
        "key": outcome.key,
        "pages": outcome.pages,
        "statuses": {status.value: outcome.statuses.get(status, 0) for status in Status},
        "reused": outcome.reused,
        "seconds": round(outcome.seconds, 3),
        "finished": outcome.finished,
        "suspects": trust.as_json(outcome.suspects),
        "error": encodable(outcome.error) or None,
        "failures": [{"page": page, "reason": reason} for page, reason in sorted(outcome.failures.items())],
        "findings": [encodable(finding) for finding in outcome.findings],
    }
