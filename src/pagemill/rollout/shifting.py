"""Gradual traffic: more and more requests go to a verified revision, as long as the service's own metrics are good."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from pagemill.domain.service.load import RevisionLoad, StepCriteria, objection
from pagemill.domain.service.plan import Candidate, ServiceState
from pagemill.errors import DeploymentFailed
from pagemill.rollout.waiting import Waiting
from pagemill.service_ports import LoadMeter, ServiceHost

_LONGEST_PAUSE_SECONDS = 30.0  # requests are counted once a minute


class Shifting:
    """Sends requests to a revision step by step. Whoever calls it sends them back if it raises an error."""

    def __init__(
        self,
        host: ServiceHost,
        meter: LoadMeter,
        *,
        steps: Sequence[int],
        criteria: StepCriteria,
        announce: Callable[[str], object],
    ) -> None:
        """Store the configuration; send no requests.

        Args:
            host: Runs the service.
            meter: Knows what its revisions do.
            steps: Percents of the requests, growing; none: all at once.
            criteria: When to go on, and when not.
            announce: Called with a line about each step.
        """
        self._host = host
        self._meter = meter
        self._steps = steps
        self._criteria = criteria
        self._announce = announce
        self._before = RevisionLoad()  # of the old revision, when it was last known well enough
        self.results: list[str] = []  # a line for each step that has ended

    async def problems(self) -> list[str]:
        """What prevents a gradual rollout, before anything is done.

        Raises:
            PagemillError: We may not read the metrics.
        """
        if not self._steps:
            return []
        state = await self._host.state()
        if state and not state.serving:
            return ["--canary needs one revision that serves, and several share the requests; deploy without it once"]
        await self._meter.load(state.serving if state else "none", dt.datetime.now(dt.UTC))
        return []

    async def shift(self, candidate: Candidate, before: ServiceState | None) -> None:
        """Go through the steps.

        Args:
            candidate: A verified revision.
            before: The service before the deployment; None: there was none, so all requests go there anyway.

        Raises:
            DeploymentFailed: Errors or latency are worse than allowed, or nobody knows them.
            PagemillError: The traffic cannot be changed.
        """
        if not self._steps:
            return
        if before is None or not before.serving or before.serving == candidate.revision:
            self._announce("no revision served before, so --canary has nothing to compare with")
            return
        for percent in self._steps:
            await self._host.shift(candidate, percent, before.serving)
            load = await self._watch(candidate.revision, before.serving, percent)
            proven = "proven" if load.requests >= self._criteria.requests else "not proven, too few requests"
            self.results.append(f"{percent} %: {proven} ({load.described()})")
            self._announce(f"{candidate.revision} with {self.results[-1]}")

    async def _watch(self, revision: str, old: str, percent: int) -> RevisionLoad:
        """Judge a step until its time is over; return the load of the new revision."""
        since, load = dt.datetime.now(dt.UTC), RevisionLoad()
        what = f"{percent} % of the requests go to {revision}"
        waiting = Waiting(self._criteria.seconds, what, self._announce, longest_pause=_LONGEST_PAUSE_SECONDS)
        while True:
            is_last, unknown = waiting.is_over, None
            try:
                load = await self._meter.load(revision, since)
                compared = await self._meter.load(old, since)
            except DeploymentFailed as error:  # no answer this time
                unknown = error
            else:
                self._before = compared if compared.requests >= self._criteria.requests else self._before
                if why := objection(load, self._before, self._criteria):
                    raise DeploymentFailed(
                        f"with {percent} % of the requests at {revision}, {why}; type: pagemill deploy --logs "
                        f"--revision {revision}"
                    )
                waiting.what = f"{what} ({load.described()})"
            if is_last and unknown:
                raise DeploymentFailed(f"nobody knows how {revision} does with {percent} % of the requests: {unknown}")
            if is_last:
                return load
            await waiting.pause()
