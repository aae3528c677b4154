"""The state of a service, its desired state, and the changes between them. Pure: the adapters fill it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

CANDIDATE_TAG = "candidate"  # traffic tag of the revision that is being verified
MIN_INSTANCES = "scaling.min_instance_count"  # the field of the service; revisions have none of their own
_KEPT_VERIFIED = 10  # verified revisions that are remembered for a rollback


@dataclass(frozen=True, slots=True)
class Image:
    """A container image, by digest."""

    name: str  # registry/project/repository/image
    digest: str  # sha256:…
    source: str  # names the source and the arguments that it was built from

    @property
    def reference(self) -> str:
        """The reference that is deployed: name and digest."""
        return f"{self.name}@{self.digest}"


@dataclass(frozen=True, slots=True)
class TrafficShare:
    """The share of requests that a revision gets."""

    revision: str
    percent: int
    tag: str = ""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service as it is deployed now."""

    url: str
    etag: str
    fields: Mapping[str, str]  # path to value of all fields that pagemill owns, of the newest revision
    traffic: tuple[TrafficShare, ...]
    latest_created: str  # revision
    latest_ready: str  # revision
    verified: tuple[str, ...] = ()  # verified revisions, the newest first
    retries: int = 0  # of the newest revision: how many with the same configuration failed before it

    @property
    def serving(self) -> str:
        """The revision that gets all requests, but for those of a candidate; empty if several share them."""
        return next((share.revision for share in self.settled if share.percent == 100), "")  # noqa: PLR2004 -- all

    @property
    def settled(self) -> tuple[TrafficShare, ...]:
        """The traffic without the candidate, whose requests go to the revision that gets most; and without its tag.

        Where no other revision gets requests, they are the candidate's.
        """
        others = [share for share in self.traffic if share.tag != CANDIDATE_TAG]
        if not any(share.percent for share in others):
            return tuple(replace(share, tag=share.tag.removeprefix(CANDIDATE_TAG)) for share in self.traffic)
        given = sum(share.percent for share in self.traffic) - sum(share.percent for share in others)
        most = max(others, key=lambda share: share.percent)
        return tuple(replace(share, percent=share.percent + given * (share is most)) for share in others)

    @property
    def revisions(self) -> tuple[str, ...]:
        """The revisions with traffic or a tag, then those that a deployment can go back to, each once."""
        return tuple(dict.fromkeys([*(share.revision for share in self.traffic), *self.verified]))

    @property
    def left_behind(self) -> str:
        """The revision that is being verified, or that a dead deployment left behind; empty if there is none."""
        return next((share.revision for share in self.traffic if share.tag == CANDIDATE_TAG), "")

    @property
    def min_instances(self) -> int:
        """Instances of the service that run, and are billed, even without requests."""
        return int(self.fields.get(MIN_INSTANCES, "0"))

    @property
    def fallback(self) -> str:
        """The newest verified revision before the one that serves; empty if there is none."""
        older = list(self.verified)
        if self.serving in older:
            older = older[older.index(self.serving) + 1 :]
        return next(iter(older), "")

    def way_back(self, revision: str = "") -> str:
        """The revision to go to instead of the one that serves; empty if that is not possible.

        Args:
            revision: The chosen one, which must have been verified; empty: the newest verified one before the present.
        """
        if not revision:
            return self.fallback
        return revision if revision in self.verified and revision != self.serving else ""

    def verified_with(self, revision: str) -> tuple[str, ...]:
        """The verified revisions with this one added; one that is in the list already keeps its place."""
        return self.verified if revision in self.verified else (revision, *self.verified)[:_KEPT_VERIFIED]


@dataclass(frozen=True, slots=True)
class Change:
    """A field that would get another value."""

    path: str
    before: str  # empty: not set
    after: str  # empty: no longer set


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision that is ready, without traffic, reachable at its own URL."""

    revision: str
    url: str
    startup_seconds: float | None  # None: it was started before this deployment
    min_instances: int | None = None  # of the service, once this revision serves; None: as now


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """The fields that differ, sorted by path."""
    paths = sorted(before.keys() | after.keys())
    found = (Change(path, before.get(path, ""), after.get(path, "")) for path in paths)
    return [change for change in found if change.before != change.after]


def is_current(state: ServiceState | None, desired: Mapping[str, str]) -> bool:
    """Whether the revision that serves is the desired one, and was verified."""
    return (
        state is not None
        and bool(state.serving)
        and state.serving == state.latest_created
        and state.serving in state.verified
        and not changes(state.fields, desired)
    )


def public_bindings(bindings: Iterable[tuple[str, Sequence[str]]]) -> list[tuple[str, str]]:
    """Role and member of every IAM binding that grants access to everybody.

    Args:
        bindings: Role and members of each binding; several may have the same role, with different conditions.
    """
    public = {"allUsers", "allAuthenticatedUsers"}
    return [(role, member) for role, members in bindings for member in members if member in public]
