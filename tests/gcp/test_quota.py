"""Google's own messages about quotas, as they were published, and what is made of them."""

from __future__ import annotations

import pytest

from pagemill.gcp.quota import quota_fix, violations

_ADVICE = (
    "Consider running your workload in a region with greater capacity, or requesting an increase in quota for this "
    "region if you are seeing sustained usage near this limit, see https://cloud.google.com/run/quotas."
)
_BOTH = (
    "template.scaling.max_instance_count: Max instances must be set to 0 or fewer to set the requested total CPU.\n"
    f"{_ADVICE}\n\nQuota violated:\nCpuAllocPerProjectRegion requested: 60000 allowed: 20000\n"
    "MemAllocPerProjectRegion requested: 257698037760 allowed: 42949672960"
)
_MEMORY = (
    f"Max instances must be set to 1 or fewer to set the requested total memory.\n{_ADVICE}\n\n"
    "Quota violated:\nMemAllocPerProjectRegion requested: 103079215104\nallowed: 42949672960"
)
_GPU = (
    f"Max instances must be set to 0 or fewer to set the requested total GPU.\n{_ADVICE}\n\nQuota violated:\n"
    "- NvidiaL4GpuAllocPerProjectRegion requested: 1 allowed: 0"
)
_REGIONS = (
    "Quota violated:\n- europe-west4: MemAllocPerProjectRegion requested: 34359738368 allowed: 17179869184\n"
    "- us-central1: CpuAllocPerProjectRegion requested: 8000 allowed: 4000"
)
_OLDER = "Invalid value specified for memory. For the specified value, maxScale may not exceed 2."
_PAGE = "https://console.cloud.google.com/iam-admin/quotas?project=p"


def test_every_quota_of_the_list_is_named_with_its_numbers() -> None:
    said = quota_fix(_BOTH, "p")

    assert "CpuAllocPerProjectRegion allows 20 vCPU, asked for 60 vCPU" in said
    assert "MemAllocPerProjectRegion allows 40 GiB, asked for 240 GiB" in said
    assert f"request more CpuAllocPerProjectRegion and MemAllocPerProjectRegion at {_PAGE}" in said


@pytest.mark.parametrize("text", [_BOTH, _GPU])
def test_no_instances_at_all_is_no_number_to_set(text: str) -> None:
    said = quota_fix(text, "p")

    assert "MAX_INSTANCES=0" not in said
    assert "Not one instance fits: request more" in said


def test_a_smaller_instance_is_advised_only_if_it_would_fit() -> None:
    assert "--cpu 4 --memory 16" in quota_fix(_BOTH, "p")
    assert "--memory" not in quota_fix(_GPU, "p")
    assert "--memory" not in quota_fix(_BOTH.replace("allowed: 20000", "allowed: 2000"), "p")


def test_the_number_of_instances_that_fits_is_named_with_the_quota_that_is_the_reason() -> None:
    said = quota_fix(_MEMORY, "p")

    assert "PAGEMILL_SERVICE_MAX_INSTANCES=1" in said
    assert "request more MemAllocPerProjectRegion" in said
    assert "Cpu" not in said


def test_the_quota_of_gpus_with_zonal_redundancy_is_not_taken_for_the_other() -> None:
    assert "request more NvidiaL4GpuAllocPerProjectRegion at" in quota_fix(_GPU, "p")


def test_quotas_of_several_regions_are_named_with_their_regions() -> None:
    assert [(found.metric, found.region) for found in violations(_REGIONS)] == [
        ("MemAllocPerProjectRegion", "europe-west4"),
        ("CpuAllocPerProjectRegion", "us-central1"),
    ]
    assert "MemAllocPerProjectRegion in europe-west4 allows 16 GiB, asked for 32 GiB" in quota_fix(_REGIONS, "p")


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("Max instances must be set to 2 or fewer to set the requested total CPU.", "CpuAllocPerProjectRegion"),
        (f"containers.resources.limits.memory: {_OLDER}", "MemAllocPerProjectRegion"),
    ],
)
def test_a_message_without_a_list_names_the_resource(text: str, quota: str) -> None:
    said = quota_fix(text, "p")

    assert f"PAGEMILL_SERVICE_MAX_INSTANCES=2, or request more {quota} at" in said


def test_gpus_that_are_refused_when_a_revision_starts_are_named() -> None:
    said = quota_fix("Quota exceeded for total allowable count of GPUs per project per region.", "p")

    assert "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion" in said


def test_a_message_about_something_else_gets_no_advice_about_quotas() -> None:
    assert quota_fix("Image 'x' not found.", "p") == ""
