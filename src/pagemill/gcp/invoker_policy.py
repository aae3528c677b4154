"""Who may call the service: its own IAM policy, which the deploy flow owns. Changes are read-modify-write by etag."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import stamina
from google.api_core import exceptions as api
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2, options_pb2, policy_pb2

from pagemill.config.service import ServiceSettings
from pagemill.domain.service.plan import public_bindings
from pagemill.gcp.api import READS, GoogleApi

_INVOKER = "roles/run.invoker"
_VERSION = 3  # of policies: earlier ones have no conditions, and rename the roles of bindings that have one
_TRIES = 5  # if others change the policy at the same time


class IamInvokerPolicy:
    """The IAM policy of one service."""

    def __init__(self, google: GoogleApi, settings: ServiceSettings) -> None:
        """Open the client; send no requests."""
        self._google = google
        self._settings = settings
        self._services = google.client(run_v2.ServicesAsyncClient, settings.run_emulator_host)
        self._resource = f"projects/{settings.project}/locations/{settings.region}/services/{settings.name}"

    async def grant(self, members: Sequence[str]) -> bool:
        """Add members to the invokers and keep the others; return whether that changed the policy.

        Raises:
            PagemillError: We may not, or others keep changing the policy.
        """

        def add(policy: policy_pb2.Policy) -> None:
            binding = next(
                (found for found in policy.bindings if found.role == _INVOKER and not _is_conditional(found)), None
            )
            if binding is None:
                binding = policy.bindings.add(role=_INVOKER)
            binding.members.extend(member for member in members if member not in binding.members)

        return await self._change(add)

    async def public_bindings(self) -> list[tuple[str, str]]:
        """Role and member of every binding that grants access to everybody, with a condition or without.

        Empty if there is no service.

        Raises:
            PagemillError: We may not read the policy.
        """
        try:
            policy = await self._read()
        except api.NotFound:
            return []
        return public_bindings((binding.role, tuple(binding.members)) for binding in policy.bindings)

    async def revoke_public(self) -> None:
        """Remove every binding that grants access to everybody.

        Raises:
            PagemillError: We may not, or others keep changing the policy.
        """

        def remove_public(policy: policy_pb2.Policy) -> None:
            for binding in policy.bindings:
                for _, member in public_bindings([(binding.role, tuple(binding.members))]):
                    binding.members.remove(member)

        await self._change(remove_public)

    def fix_command(self, role: str, member: str) -> str:
        """The command that removes a binding."""
        where = f"{self._settings.name} --region={self._settings.region} --project={self._settings.project}"
        return f"gcloud run services remove-iam-policy-binding {where} --member={member} --role={role}"

    async def _change(self, change: Callable[[policy_pb2.Policy], None]) -> bool:
        with self._google.translated_errors(f"changing the IAM policy of {self._settings.name}"):
            async for attempt in stamina.retry_context(on=api.Aborted, attempts=_TRIES, timeout=None, wait_max=2.0):
                with attempt:
                    policy = await self._read()
                    before = policy.SerializeToString(deterministic=True)
                    change(policy)
                    if policy.SerializeToString(deterministic=True) == before:
                        return False
                    policy.version = _VERSION
                    await self._services.set_iam_policy(
                        iam_policy_pb2.SetIamPolicyRequest(resource=self._resource, policy=policy)
                    )
        return True

    async def _read(self) -> policy_pb2.Policy:
        options = options_pb2.GetPolicyOptions(requested_policy_version=_VERSION)
        request = iam_policy_pb2.GetIamPolicyRequest(resource=self._resource, options=options)
        with self._google.translated_errors(f"reading the IAM policy of {self._settings.name}"):
            return await self._services.get_iam_policy(request, retry=READS)


def _is_conditional(binding: policy_pb2.Binding) -> bool:
    return bool(binding.condition.expression)
