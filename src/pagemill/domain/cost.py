"""What the GPU service costs while it is busy. An estimate: idle tails and cold starts are billed too."""

from __future__ import annotations

# Cloud Run list prices, tier 1 regions, instance-based billing, November 2026, in USD a second.
_L4_WITHOUT_ZONAL_REDUNDANCY = 0.0001867
_VCPU = 0.000018
_GIB = 0.000002

SERVICE_USD_PER_SECOND = _L4_WITHOUT_ZONAL_REDUNDANCY + 8 * _VCPU + 32 * _GIB  # the service's 8 vCPU and 32 GiB


def busy_cost_usd(busy_seconds: float, *, usd_per_second: float) -> float:
    """Cost of the seconds between the first page sent and the last answer, for one instance."""
    return busy_seconds * usd_per_second
