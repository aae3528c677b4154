"""IAM policies: their versions, and what a change of one has to bring along."""

from __future__ import annotations

import hashlib

from google.iam.v1 import policy_pb2

from tests.fakes.google_cloud.grpc_server import refuse

_CONDITIONS = 3  # the first version with conditions
_RENAMED = "_withcond_"


def as_version(policy: policy_pb2.Policy, version: int) -> policy_pb2.Policy:
    """The policy as a caller sees it who asks for a version: before 3, conditions are hidden and roles renamed."""
    seen = policy_pb2.Policy()
    seen.CopyFrom(policy)
    if version < _CONDITIONS:
        seen.version = 1
        for binding in seen.bindings:
            if binding.HasField("condition"):
                mark = hashlib.sha256(binding.condition.SerializeToString()).hexdigest()[:20]
                binding.role += f"{_RENAMED}{mark}"
                binding.ClearField("condition")
    return seen


def replaced(current: policy_pb2.Policy, wanted: policy_pb2.Policy) -> policy_pb2.Policy:
    """The policy after a change.

    Raises:
        Refused: It is based on another state, or would lose conditions.
    """
    if wanted.etag and wanted.etag != current.etag:
        refuse("ABORTED", "There were concurrent policy changes. Please retry the whole read-modify-write.")
    has_conditions = any(binding.HasField("condition") for binding in (*current.bindings, *wanted.bindings))
    if has_conditions and wanted.version < _CONDITIONS:
        refuse(
            "INVALID_ARGUMENT",
            f"Specified policy version ({wanted.version}) cannot be less than the existing policy version "
            f"({_CONDITIONS}).",
        )
    for binding in wanted.bindings:
        if _RENAMED in binding.role:
            refuse("INVALID_ARGUMENT", f"Role {binding.role} is not supported for this resource.")
    policy = policy_pb2.Policy()
    policy.CopyFrom(wanted)
    policy.etag = b"%d" % (int(current.etag) + 1)
    return policy
