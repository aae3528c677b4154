"""Which finished pages a run reads again, because their results are not good enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType

from pagemill.domain.pages.manifest import PriorManifest
from pagemill.domain.pages.model import PageResult, Status
from pagemill.domain.pages.trust import suspects
from pagemill.errors import UsageError


class Retry(StrEnum):
    """A kind of result that is read again."""

    FAILED = "failed"  # from the first step on; without this, a page goes on where the ladder ended
    FALLBACK = "fallback"
    SUSPECT = "suspect"


_BETTER: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.FALLBACK: frozenset({Status.OK, Status.BLANK, Status.FALLBACK}),
        Status.OK: frozenset({Status.OK, Status.BLANK}),
    }
)


def parse_retry(text: str) -> frozenset[Retry]:
    """Parse kinds with commas between them; empty: none.

    Raises:
        UsageError: One is unknown.
    """
    kinds = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [kind for kind in kinds if kind not in set(Retry)]
    if unknown:
        raise UsageError(f"'{unknown[0]}' in --retry '{text}' is no kind of result; write {', '.join(Retry)}")
    return frozenset(map(Retry, kinds))


def to_redo(prior: PriorManifest, kinds: Collection[Retry], *, min_score: float) -> frozenset[int]:
    """The pages with a checkpoint that are to be read again, by the manifest of the run that read them.

    Args:
        prior: The manifest.
        kinds: Which results.
        min_score: An `ok` page with a lower score is a suspect.
    """
    pages: set[int] = set()
    if Retry.FALLBACK in kinds:
        pages |= prior.pages[Status.FALLBACK]
    if Retry.SUSPECT in kinds:
        pages |= suspects(prior.scored, below=min_score).keys()
    return frozenset(pages)


def is_to_redo(result: PageResult, kinds: Collection[Retry], *, min_score: float) -> bool:
    """Whether a page is still to be read again: an earlier run, which was killed, may have done it."""
    if result.status is Status.FALLBACK:
        return Retry.FALLBACK in kinds
    return Retry.SUSPECT in kinds and result.trust is not None and result.trust.score < min_score


def is_better(new: PageResult, old: PageResult) -> bool:
    """Whether a new result takes the place of an old one. A worse text than the one that is there helps nobody."""
    if new.status not in _BETTER.get(old.status, frozenset()):
        return False
    return not (new.trust and old.trust) or new.trust.score >= old.trust.score
