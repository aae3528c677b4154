"""Where a service's requests go: targets of Cloud Run's API, from the traffic as it is."""

from __future__ import annotations

from google.cloud import run_v2

from pagemill.domain.service.plan import CANDIDATE_TAG, ServiceState, TrafficShare

_TO_REVISION = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
_TO_LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST


def to_latest(percent: int, tag: str = "") -> run_v2.TrafficTarget:
    """The newest revision, whichever that is when the request is carried out."""
    return run_v2.TrafficTarget(type_=_TO_LATEST, percent=percent, tag=tag)


def to_revision(revision: str, percent: int, tag: str = "") -> run_v2.TrafficTarget:
    """A revision, by its short name."""
    return run_v2.TrafficTarget(type_=_TO_REVISION, revision=revision, percent=percent, tag=tag)


def pinned(state: ServiceState) -> list[run_v2.TrafficTarget]:
    """The settled traffic, with every target named by revision, so that a new revision gets no traffic."""
    return [to_revision(share.revision, share.percent, share.tag) for share in state.settled if _counts(share)]


def split(candidate: str, percent: int, serving: str) -> list[run_v2.TrafficTarget]:
    """Some percent of the requests to a revision that is being tried, the others to the one that serves."""
    rest = [to_revision(serving, 100 - percent)] if percent < 100 else []  # noqa: PLR2004 -- all
    return [*rest, to_revision(candidate, percent, CANDIDATE_TAG)]


def shares(state: ServiceState) -> set[tuple[str, int]]:
    """Revisions with their percents, in the settled traffic."""
    return {(share.revision, share.percent) for share in state.settled if _counts(share)}


def _counts(share: TrafficShare) -> bool:
    return bool(share.percent or share.tag)
