"""What a smoke test proved of a project, step by step, and what no smoke test can prove."""

from __future__ import annotations

from dataclasses import dataclass

from pagemill.domain.service.deployment import Deployment
from pagemill.domain.wording import counted

CANNOT_PROVE = (
    "GPU quota, and that the region has an L4 to give: `pagemill deploy --dry-run` asks for the quota",
    "the GPU image: its build takes 30 to 50 minutes on a larger machine, and downloads vLLM and the weights",
    "vLLM, its driver, and how well and fast LightOnOCR reads",
    "that all instances of the GPU service fit the region's quotas of vCPU and memory",
)


@dataclass(frozen=True, slots=True)
class Proof:
    """One step of a smoke test."""

    step: str
    proved: bool
    detail: str = ""


def proofs(record: Deployment) -> list[Proof]:
    """The steps in their order, each with what was proved.

    Args:
        record: Of the smoke test, whether it succeeded or not.
    """
    read = [result for result in record.canaries if not result.objections]
    is_read = bool(read) and len(read) == len(record.canaries)
    return [
        Proof("APIs, permissions, accounts, bucket, repositories; Cloud Run accepts the plan", record.checked),
        Proof("Cloud Build builds the image and pushes it", bool(record.built and record.image), _build(record)),
        Proof("the revision starts from the registry's image", bool(record.revision), _seconds(record.startup_seconds)),
        Proof("requests without a token are refused", record.private),
        Proof(
            "our identity token is accepted; the service is healthy",
            record.health_seconds is not None,
            _seconds(record.health_seconds),
        ),
        Proof(
            "the canary pages are read",
            is_read,
            f"{len(read)} of {counted(len(record.canaries), 'page')}" if record.canaries else "",
        ),
        Proof("all requests are sent to the revision by its name", record.promoted),
        Proof("the service is deleted", record.deleted, record.left),
    ]


def leftovers(record: Deployment) -> list[str]:
    """What is still in the project, each with the command that removes it."""
    found = [record.left] if record.left else []
    if record.image:
        name = record.image.partition("@")[0]
        found.append(
            f"the image {name} with its build cache, about 0.10 USD a month, for the next smoke test; an owner removes "
            f"it, where tags are not immutable: gcloud artifacts docker images delete {name} --delete-tags"
        )
    return found


def _build(record: Deployment) -> str:
    if record.built is False:
        return "not tried: the image of this source exists"
    return _seconds(record.build_seconds)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f} s"
