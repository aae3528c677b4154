"""Where a service's requests go: targets of Cloud Run's API, from the traffic as it is."""

from __future__ import annotations

from collections.abc import Sequence

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
    """The current traffic, with every target named by revision, so that a new revision gets no traffic."""
    return [
        to_revision(share.revision, share.percent, share.tag.removeprefix(CANDIDATE_TAG))
        for share in state.traffic
        if not _is_staged(share)
    ]


def shares(traffic: Sequence[TrafficShare]) -> set[tuple[str, int]]:
    """Revisions with their percents; one that is only being verified is left out."""
    return {(share.revision, share.percent) for share in traffic if share.percent or share.tag if not _is_staged(share)}


def _is_staged(share: TrafficShare) -> bool:
    return share.tag == CANDIDATE_TAG and not share.percent
