"""One rollout, step by step. What served before serves until the new revision is proven, and again if it is not."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from pagemill.domain.service.canary import CanaryPage
from pagemill.domain.service.deployment import Deployment, Outcome
from pagemill.domain.service.plan import Candidate, Change, Image, ServiceState, changes, is_current
from pagemill.errors import DeploymentFailed, PagemillError, UsageError
from pagemill.ports import GuestList, ServiceDoor, ServiceHost
from pagemill.rollout.preflight import Check, problems, require
from pagemill.rollout.verification import Demands, Proof, Verification

OpenDoor = Callable[[str, str], AbstractAsyncContextManager[ServiceDoor]]  # URL to ask, URL of the service


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done."""

    state: ServiceState | None  # of the service before
    image: Image | None  # None: it has to be built first
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Tools:
    """What a rollout works with."""

    host: ServiceHost
    guests: GuestList
    open_door: OpenDoor
    find_image: Callable[[], Awaitable[Image | None]]
    build_image: Callable[[], Awaitable[Image]]
    planned_image: str  # reference of the image, by tag, whether or not it exists
    pages: Callable[[], Awaitable[Sequence[CanaryPage]]]
    checks: Sequence[Check]
    members: Sequence[str]  # who may ask the service
    demands: Demands
    announce: Callable[[str], object]


class Rollout:
    """Deploys, proves, and goes back."""

    def __init__(self, tools: Tools, record: Deployment) -> None:
        """Configure; nothing is asked yet.

        Args:
            tools: What it works with.
            record: Gets what happens.
        """
        self.record = record
        self._tools = tools

    async def problems(self) -> list[str]:
        """What is wrong with the project; empty if nothing is. Changes nothing."""
        return await problems(self._checks)

    async def plan(self, *, checked: bool = True) -> Plan:
        """Look at what is there, and say what would change.

        Args:
            checked: Whether to insist that nothing is wrong with the project.

        Raises:
            UsageError: Something is wrong with the project: all of it, with the commands that mend it.
            PagemillError: The service cannot be looked at.
        """
        if checked:
            await require(self._checks)
        state = await self._tools.host.state()
        image = await self._tools.find_image()
        desired = dict(self._tools.host.desired(image))
        before = dict(state.fields) if state else {}
        if image is None:
            desired = _with_image(desired, self._tools.planned_image)
        plan = Plan(state, image, changes(before, desired))
        self.record.before = state.serving if state else ""
        self.record.changes = plan.changes
        return plan

    async def image(self, plan: Plan) -> Image:
        """The image of the plan; it is built if there is none.

        Raises:
            PagemillError: It cannot be built.
        """
        image = plan.image or await self._tools.build_image()
        self.record.image = image.reference
        self.record.built = plan.image is None
        return image

    async def stage(self, plan: Plan, image: Image) -> Candidate:
        """Make the revision that is to be proven; what serves goes on serving.

        Raises:
            PagemillError: It does not start, or may not be made.
        """
        host, state = self._tools.host, plan.state
        self.record.image = image.reference
        if state and is_current(state, host.desired(image)):
            candidate = Candidate(state.serving, state.url, None)
            self.record.outcome = Outcome.UNCHANGED
        else:
            self._tools.announce(f"deploying {image.reference}")
            candidate = await host.stage(image, state)
        return await self._invited(candidate)

    async def stage_previous(self, plan: Plan) -> Candidate:
        """Take the newest proven revision before the one that serves.

        Raises:
            UsageError: There is none.
            PagemillError: It is gone, or may not be used.
        """
        if plan.state is None or not plan.state.fallback:
            raise UsageError(
                f"there is no proven revision of {self.record.service} to go back to; deploy again instead"
            )
        self._tools.announce(f"going back to {plan.state.fallback}")
        candidate = await self._tools.host.stage_again(plan.state.fallback, plan.state)
        return await self._invited(candidate)

    async def prove(self, candidate: Candidate) -> Proof:
        """See that a revision is closed to strangers, well, and reads pages as it should.

        Raises:
            DeploymentFailed: It is not.
        """
        proof = await self._verified(candidate.url)
        self.record.health_seconds = proof.health_seconds
        self.record.first_token_seconds = proof.first_token_seconds
        self.record.canary_seconds = proof.canary_seconds
        return proof

    async def promote(self, candidate: Candidate) -> str:
        """Send all requests to the proven revision; return the service's URL, which lets no stranger in.

        Raises:
            PagemillError: They do not go there.
        """
        host = self._tools.host
        if self.record.outcome is Outcome.UNCHANGED:
            return candidate.url
        self.record.url = await host.promote(candidate)
        async with self._tools.open_door(self.record.url, self.record.url) as door:
            await self._verification(door).refuse_strangers()
        return self.record.url

    def concluded(self, *, went_back: bool) -> Deployment:
        """What happened, now that all is well."""
        if self.record.outcome is Outcome.RUNNING:
            self.record.outcome = Outcome.ROLLED_BACK if went_back else Outcome.DEPLOYED
        return self.record

    @contextlib.asynccontextmanager
    async def undone_on_failure(self, plan: Plan) -> AsyncIterator[None]:
        """Send requests where they went before if anything fails inside.

        Raises:
            DeploymentFailed: What failed inside, and what serves now.
        """
        try:
            yield
        except BaseException as error:
            serving = plan.state.serving if plan.state else ""
            try:
                await self._tools.host.restore(plan.state)
            except PagemillError as worse:
                raise DeploymentFailed(f"{error}; and what served before could not be restored: {worse}") from error
            if not isinstance(error, PagemillError) or isinstance(error, UsageError):
                raise
            before = f"{serving} serves on" if serving else "no revision served before, and none is published"
            revision = f"; the revision that failed is {self.record.revision}" if self.record.revision else ""
            raise type(error)(f"{error}; {before}{revision}") from error

    async def _invited(self, candidate: Candidate) -> Candidate:
        self.record.revision = candidate.revision
        self.record.startup_seconds = candidate.startup_seconds
        await self._tools.guests.invite(self._tools.members)
        return candidate

    async def _verified(self, url: str) -> Proof:
        pages = await self._tools.pages()
        state = await self._tools.host.state()
        if state is None:
            raise DeploymentFailed(f"the service {self.record.service} was deleted meanwhile")
        self.record.url = state.url
        async with self._tools.open_door(url, state.url) as door:
            verification = self._verification(door)
            try:
                return await verification.prove(pages)
            finally:
                self.record.canaries = verification.results

    def _verification(self, door: ServiceDoor) -> Verification:
        tools = self._tools
        return Verification(
            door,
            uninvited=tools.guests.uninvited,
            close=self._close,
            demands=tools.demands,
            announce=tools.announce,
        )

    async def _close(self) -> None:
        await self._tools.guests.shut()
        await self._tools.host.ask_everybody_who_they_are()

    @property
    def _checks(self) -> list[Check]:
        return [*self._tools.checks, self._plan_is_accepted, self._nobody_is_let_in]

    async def _plan_is_accepted(self) -> list[str]:
        await self._tools.host.check(self._tools.planned_image)
        return []

    async def _nobody_is_let_in(self) -> list[str]:
        return [
            f"{member} has {role} on {self.record.service}, so that everybody may use it; type: "
            + self._tools.guests.cure(role, member)
            for role, member in await self._tools.guests.uninvited()
        ]


def _with_image(desired: Mapping[str, str], reference: str) -> dict[str, str]:
    return dict(desired) | {"template.containers[0].image": f"{reference} (to be built)"}
