"""The composition root of evaluations: locations into the results and the truths that are compared."""

from __future__ import annotations

import contextlib

from pagemill.config.proxies import check_proxies
from pagemill.config.run import Settings
from pagemill.domain.evaluation.report import Evaluation
from pagemill.domain.pages.matching import is_pdf_name
from pagemill.domain.wording import shown
from pagemill.errors import UsageError
from pagemill.evaluation.evaluate import evaluate, is_manifest
from pagemill.evaluation.truths import Truths
from pagemill.ports import ObjectStore
from pagemill.storage.local_store import LocalStore
from pagemill.wiring.parameters import expanded
from pagemill.wiring.stores import google_client, open_destination


def is_destination(location: str, settings: Settings) -> bool:
    """Whether a location holds the results of a run, and no PDFs. Blocks.

    Raises:
        UsageError: It is neither a path nor a bucket.
        StoreUnusable: It cannot be listed.
    """
    if location.endswith(".txt"):
        return False
    with contextlib.ExitStack() as stack:
        found = False
        for key in _store(location, "SOURCE", settings, stack).keys(""):
            if is_pdf_name(key):
                return False
            found = found or is_manifest(key)
        return found


def evaluated(results: str, truth: str, settings: Settings, *, min_score: float, include: str = "") -> Evaluation:
    """Compare the results of a run with their truths. Blocks.

    Args:
        results: The destination of a run.
        truth: A folder or prefix with true texts, or one text.
        settings: Whose Google Cloud project is used.
        min_score: `ok` pages with a lower score of the run are suspects.
        include: Only documents whose key matches this glob.

    Raises:
        UsageError: There is no truth, or none of these documents.
        StoreUnusable: Results or truths cannot be read.
    """
    with contextlib.ExitStack() as stack:
        truths, one = _truths(truth, settings, stack)
        return evaluate(
            _store(results, "SOURCE", settings, stack), truths, min_score=min_score, include=include, one_document=one
        )


def check_truth(truth: str, settings: Settings) -> None:
    """Check that there is a truth, before anything is read. Blocks.

    Raises:
        UsageError: There is none.
        StoreUnusable: It cannot be listed.
    """
    with contextlib.ExitStack() as stack:
        truths, _ = _truths(truth, settings, stack)
        if not truths.unused():
            raise UsageError(
                f"{shown(truth)}: no truths there; the truth of a.pdf is a.md, a.txt, or a/0001.md for page 1"
            )


def _truths(truth: str, settings: Settings, stack: contextlib.ExitStack) -> tuple[Truths, bool]:
    """The truths, and whether they are one text."""
    if "://" not in truth and "\0" not in truth:
        path = expanded(truth)
        if path.is_file():
            return Truths(LocalStore(path.parent), only=path.name), True
        if truth and not path.is_dir():
            raise UsageError(f"TRUTH {shown(truth)}: no such file or folder")
    return Truths(_store(truth, "TRUTH", settings, stack)), False


def _store(location: str, name: str, settings: Settings, stack: contextlib.ExitStack) -> ObjectStore:
    if not location:
        raise UsageError(f"{name} is empty; name a folder, or gs://bucket/prefix")
    check_proxies()
    return open_destination(location, google_client(settings, None, stack), name=name)
