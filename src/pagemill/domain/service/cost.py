"""Cost of the GPU service in USD: estimates from the list prices of tier 1 regions, as of November 2026."""

from __future__ import annotations

from dataclasses import dataclass

from pagemill.domain.service.gpu_estimate import L4, TEXT_TOKENS, pages_per_second

# USD for a second of one GPU, one vCPU and one GiB, with instance-based billing.
_L4_WITHOUT_ZONAL_REDUNDANCY = 0.0001867
_L4_WITH_ZONAL_REDUNDANCY = 0.0002909
_VCPU = 0.000018
_GIB = 0.000002

_IMAGE_GIB = 15.0  # compressed, in Artifact Registry: vLLM's image and two gigabytes of weights
_REGISTRY_USD_PER_GIB_AND_MONTH = 0.10

IDLE_TAIL_SECONDS = 600.0  # billed after the last request, until an instance is stopped; up to 900 were observed
HOURS_PER_MONTH = 730.0


def usd_per_second(*, cpu: int, memory_gib: int, zonal_redundancy: bool) -> float:
    """Price of one instance, busy or idle."""
    gpu = _L4_WITH_ZONAL_REDUNDANCY if zonal_redundancy else _L4_WITHOUT_ZONAL_REDUNDANCY
    return gpu + cpu * _VCPU + memory_gib * _GIB


SERVICE_USD_PER_SECOND = usd_per_second(cpu=8, memory_gib=32, zonal_redundancy=False)


def busy_cost_usd(busy_seconds: float, *, usd_per_second: float) -> float:
    """Cost of one instance between the first page sent and the last answer."""
    return busy_seconds * usd_per_second


@dataclass(frozen=True, slots=True)
class ServiceCost:
    """Cost of a service, in USD."""

    busy_hour: float  # of one instance
    all_busy_hour: float  # of the maximum number of instances
    idle_tail: float  # after the last page, each time the service was woken
    idle_month: float  # of the minimum number of instances, and the image
    thousand_pages: float  # on an instance that reads as many pages at once as it can

    def lines(self) -> list[tuple[str, str]]:
        """Label and amount of each cost."""
        return [
            ("an instance, an hour", f"${self.busy_hour:.2f}"),
            ("maximum number of instances, an hour", f"${self.all_busy_hour:.2f}"),
            (f"idle time after each batch ({IDLE_TAIL_SECONDS / 60:.0f} min)", f"${self.idle_tail:.2f}"),
            ("idle, a month (stored image, minimum number of instances)", f"${self.idle_month:.2f}"),
            (f"1,000 pages of {TEXT_TOKENS} tokens (speed of an L4 estimated)", f"${self.thousand_pages:.2f}"),
        ]


def service_cost(per_second: float, *, min_instances: int, max_instances: int, in_flight: int) -> ServiceCost:
    """Compute the cost from the price of an instance, in USD a second, and the pages that it reads at once."""
    hour = 3600.0 * per_second
    return ServiceCost(
        busy_hour=hour,
        all_busy_hour=max_instances * hour,
        idle_tail=IDLE_TAIL_SECONDS * per_second,
        idle_month=min_instances * HOURS_PER_MONTH * hour + _IMAGE_GIB * _REGISTRY_USD_PER_GIB_AND_MONTH,
        thousand_pages=1000.0 * per_second / pages_per_second(L4, in_flight),
    )
