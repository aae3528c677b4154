"""One rollout, step by step. The previous revision keeps serving until the new one is verified, and if it fails."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pagemill.domain.service.deployment import Deployment, Outcome
from pagemill.domain.service.plan import Candidate, Change, Image, ServiceState, changes, is_current
from pagemill.errors import DeploymentFailed, PagemillError, UsageError
from pagemill.rollout.deleting import Deleting
from pagemill.rollout.dependencies import Dependencies
from pagemill.rollout.preflight import Check, problems, require
from pagemill.rollout.verification import Verification, VerificationResult
from pagemill.service_ports import ServiceEndpoint


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rollout would change."""

    state: ServiceState | None  # of the service before; None: there is no service
    image: Image | None  # None: it has to be built first
    changes: Sequence[Change]


class Rollout:
    """Deploys a revision, verifies it, and rolls back."""

    def __init__(self, dependencies: Dependencies, record: Deployment) -> None:
        """Store the configuration; send no requests.

        Args:
            dependencies: What it works with.
            record: Filled in as the steps run.
        """
        self.record = record
        self._dependencies = dependencies

    async def problems(self) -> list[str]:
        """What is wrong with the project; empty if nothing is. Changes nothing."""
        return await problems(self._checks)

    async def plan(self, *, checked: bool = True) -> Plan:
        """Compare the service as it is with the service as it should be. Changes nothing.

        Args:
            checked: Whether to raise an error if something is wrong with the project.

        Raises:
            UsageError: Something is wrong with the project; the message lists all problems and the commands that fix
                them.
            PagemillError: The service cannot be read.
        """
        if checked:
            await require(self._checks)
            self.record.checked = True
        state = await self._dependencies.host.state()
        image = await self._dependencies.find_image()
        desired = dict(self._dependencies.host.desired(image))
        before = dict(state.fields) if state else {}
        if image is None:
            desired = _with_image(desired, self._dependencies.planned_image)
        plan = Plan(state, image, changes(before, desired))
        self.record.before = state.serving if state else ""
        self.record.changes = plan.changes
        return plan

    async def image(self, plan: Plan) -> Image:
        """Return the image of the plan; build it if there is none.

        Raises:
            PagemillError: It cannot be built.
        """
        image = plan.image or await self._dependencies.build_image()
        self.record.image = image.reference
        self.record.built = plan.image is None
        return image

    async def wait_for_idle(self, plan: Plan, *, image: Image | None = None) -> None:
        """Wait until the revision that serves has no instance, if the deployment was told to and another one starts.

        Args:
            plan: What the service is.
            image: What is deployed; None: an earlier revision is to serve.

        Raises:
            PagemillError: It still has instances after that time, or nobody knows.
        """
        if plan.state and not (image and is_current(plan.state, self._dependencies.host.desired(image))):
            await self._dependencies.room.wait(plan.state.serving)

    async def stage(self, plan: Plan, image: Image) -> Candidate:
        """Create the revision to verify, without traffic; the previous revision keeps serving.

        If the revision that serves is the desired one already, that revision is the candidate.

        Raises:
            PagemillError: The revision does not start, or we may not create it.
        """
        host, state = self._dependencies.host, plan.state
        self.record.image = image.reference
        if state and is_current(state, host.desired(image)):
            await host.clean_up(state)
            candidate = Candidate(state.serving, state.url, None)
            self.record.outcome = Outcome.UNCHANGED
        else:
            self._dependencies.announce(f"deploying {image.reference}")
            candidate = await host.stage(image, state)
        return await self._granted(candidate)

    async def stage_previous(self, plan: Plan, revision: str = "") -> Candidate:
        """Choose a verified revision other than the one that serves.

        Args:
            plan: What the service is.
            revision: Its name; empty: the newest one before the one that serves.

        Raises:
            UsageError: There is none.
            PagemillError: It was deleted, or we may not use it.
        """
        state = plan.state
        if state is None or not (chosen := state.way_back(revision)):
            raise UsageError(self._no_way_back(state, revision))
        self._dependencies.announce(f"going to {chosen}" if revision else f"rolling back to {chosen}")
        candidate = await self._dependencies.host.stage_again(chosen, state)
        return await self._granted(candidate)

    def _no_way_back(self, state: ServiceState | None, revision: str) -> str:
        """Why there is no revision to go to."""
        service = self.record.service
        if not revision or state is None:
            return f"{service} has no earlier verified revision to roll back to; type: pagemill deploy"
        if revision == state.serving:
            return f"{revision} serves already; nothing was done"
        verified = ", ".join(name for name in state.verified if name != state.serving) or "none"
        return f"{revision} is no verified revision of {service}; verified: {verified}"

    async def verify(self, candidate: Candidate) -> VerificationResult:
        """Verify that a revision refuses unauthenticated callers, is healthy, and reads the canary pages.

        Raises:
            DeploymentFailed: It does not pass.
        """
        result = await self._verified(candidate.url)
        self.record.first_token_seconds = result.first_token_seconds
        self.record.canary_seconds = result.canary_seconds
        return result

    async def shift(self, plan: Plan, candidate: Candidate) -> None:
        """Send the requests to the verified revision in steps, if the deployment was told to.

        Raises:
            PagemillError: It does worse with real requests than the revision before it, or nobody knows.
        """
        if self.record.outcome is not Outcome.UNCHANGED:
            shifting = self._dependencies.shifting
            try:
                await shifting.shift(candidate, plan.state)
            finally:
                self.record.steps = tuple(shifting.results)

    async def promote(self, candidate: Candidate) -> str:
        """Send all requests to the verified revision; return the service's URL.

        Raises:
            PagemillError: The traffic cannot be moved, or the service's URL answers unauthenticated callers.
        """
        host = self._dependencies.host
        if self.record.outcome is Outcome.UNCHANGED:
            return candidate.url
        self.record.url = await host.promote(candidate)
        async with self._dependencies.open_endpoint(self.record.url, self.record.url) as endpoint:
            await self._verification(endpoint).ensure_private()
        self.record.promoted = True
        return self.record.url

    def finish(self, *, rolled_back: bool) -> Deployment:
        """Set the outcome of a successful rollout; return its record."""
        if self.record.outcome is Outcome.RUNNING:
            done = Outcome.PASSED if self.record.smoke else Outcome.DEPLOYED
            self.record.outcome = Outcome.ROLLED_BACK if rolled_back else done
        return self.record

    @contextlib.asynccontextmanager
    async def restore_traffic_on_failure(self, plan: Plan) -> AsyncIterator[Plan]:
        """Send requests where they went before if anything fails inside; yield the plan as it is.

        Raises:
            DeploymentFailed: What failed inside, and which revision serves now.
        """
        try:
            yield plan
        except BaseException as error:
            serving = plan.state.serving if plan.state else ""
            try:
                await self._dependencies.host.restore(plan.state)
            except PagemillError as worse:
                raise DeploymentFailed(f"{error}; and the previous traffic could not be restored: {worse}") from error
            if not isinstance(error, PagemillError) or isinstance(error, UsageError):
                raise
            now = f"{serving} keeps serving" if serving else "no revision served before, and no URL is published"
            revision = f"; the revision that failed is {self.record.revision}" if self.record.revision else ""
            raise type(error)(f"{error}; {now}{revision}") from error

    @contextlib.asynccontextmanager
    async def deleted_afterwards(self, plan: Plan) -> AsyncIterator[Plan]:
        """Delete the service of a smoke test after the context, and before it what an earlier one has left behind.

        Yields the plan for a service that does not exist.

        Raises:
            DeploymentFailed: The service cannot be deleted; the message has the command.
        """
        dependencies = self._dependencies
        deleting = Deleting(
            dependencies.host, self.record, dependencies.announce, poll_seconds=dependencies.poll_seconds
        )
        await deleting.left_behind(plan.state)
        async with deleting.afterwards():
            yield replace(plan, state=None)

    async def _granted(self, candidate: Candidate) -> Candidate:
        """Note the candidate in the record, and let the invokers call it."""
        self.record.revision = candidate.revision
        self.record.startup_seconds = candidate.startup_seconds
        await self._dependencies.invoker_policy.grant(self._dependencies.invokers)
        return candidate

    async def _verified(self, url: str) -> VerificationResult:
        pages = await self._dependencies.pages()
        state = await self._dependencies.host.state()
        if state is None:
            raise DeploymentFailed(f"somebody deleted the service {self.record.service} meanwhile; deploy again")
        self.record.url = state.url
        async with self._dependencies.open_endpoint(url, state.url) as endpoint:
            verification = self._verification(endpoint)
            try:
                return await verification.verify(pages)
            finally:
                self.record.canaries = verification.results
                self.record.private = verification.is_private
                self.record.health_seconds = verification.health_seconds

    def _verification(self, endpoint: ServiceEndpoint) -> Verification:
        dependencies = self._dependencies
        return Verification(
            endpoint,
            public_bindings=dependencies.invoker_policy.public_bindings,
            make_private=self._make_private,
            criteria=dependencies.criteria,
            announce=dependencies.announce,
        )

    async def _make_private(self) -> None:
        await self._dependencies.invoker_policy.revoke_public()
        await self._dependencies.host.enable_invoker_check()

    @property
    def _checks(self) -> list[Check]:
        return [
            *self._dependencies.checks,
            self._plan_is_accepted,
            self._has_room,
            self._is_private,
            self._dependencies.shifting.problems,
        ]

    async def _plan_is_accepted(self) -> list[str]:
        await self._dependencies.host.check(self._dependencies.planned_image)
        return []

    async def _has_room(self) -> list[str]:
        dependencies = self._dependencies
        state = await dependencies.host.state()
        if state is None or not state.serving:
            return []
        if is_current(state, dependencies.host.desired(await dependencies.find_image())):
            return []
        return await dependencies.room.problems(state, dependencies.planned_image)

    async def _is_private(self) -> list[str]:
        policy = self._dependencies.invoker_policy
        return [
            f"{member} has {role} on {self.record.service}, so everybody may call it; type: "
            f"{policy.fix_command(role, member)}"
            for role, member in await policy.public_bindings()
        ]


def _with_image(desired: Mapping[str, str], reference: str) -> dict[str, str]:
    return dict(desired) | {"template.containers[0].image": f"{reference} (to be built)"}
