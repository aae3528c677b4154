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
_CACHE_GIB = 15.0  # the layers of the last builds, at most about as much as the image
_REGISTRY_USD_PER_GIB_AND_MONTH = 0.10
_BUILD_USD_PER_MINUTE = 0.064  # E2_HIGHCPU_32
_BUILD_MINUTES = (10.0, 30.0)  # with the stored cache, and without

_IDLE_TAIL_SECONDS = (600.0, 900.0)  # billed after the last request, until an instance is stopped
_VERIFICATION_SECONDS = (180.0, 240.0)  # a start, and eight pages
HOURS_PER_MONTH = 730.0


def usd_per_second(*, cpu: int, memory_gib: int, zonal_redundancy: bool) -> float:
    """Price of one instance, busy or idle."""
    gpu = _L4_WITH_ZONAL_REDUNDANCY if zonal_redundancy else _L4_WITHOUT_ZONAL_REDUNDANCY
    return gpu + cpu * _VCPU + memory_gib * _GIB


SERVICE_USD_PER_SECOND = usd_per_second(cpu=8, memory_gib=32, zonal_redundancy=False)


def busy_cost_usd(busy_seconds: float, *, usd_per_second: float) -> float:
    """Cost of one instance between the first page sent and the last answer."""
    return busy_seconds * usd_per_second


Range = tuple[float, float]  # from, to


@dataclass(frozen=True, slots=True)
class ServiceCost:
    """Cost of a service, in USD."""

    busy_hour: float  # of one instance
    all_busy_hour: float  # of the maximum number of instances
    idle_tail: Range  # after the last page, each time the service was woken
    build: Range  # of an image
    verification: Range  # of a revision, at each deployment and rollback
    idle_month: float  # of the minimum number of instances, the image, and the build cache
    thousand_pages: float  # on an instance that reads as many pages at once as it can

    def lines(self) -> list[tuple[str, str]]:
        """Label and amount of each cost."""
        return [
            ("an instance, an hour", f"${self.busy_hour:.2f}"),
            ("maximum number of instances, an hour", f"${self.all_busy_hour:.2f}"),
            ("idle time after each batch, 10 to 15 min", _range(self.idle_tail)),
            ("a build of the image, 10 (stored cache) to 30 min", _range(self.build)),
            ("each verification: a start, eight pages, idle time", _range(self.verification)),
            ("idle, a month: stored image, build cache, minimum number of instances", f"${self.idle_month:.2f}"),
            (f"1,000 pages of {TEXT_TOKENS} tokens (speed of an L4 estimated)", f"${self.thousand_pages:.2f}"),
        ]


def _range(usd: Range) -> str:
    return f"${usd[0]:.2f} to ${usd[1]:.2f}"


def service_cost(per_second: float, *, min_instances: int, max_instances: int, in_flight: int) -> ServiceCost:
    """Compute the cost from the price of an instance, in USD a second, and the pages that it reads at once."""
    hour = 3600.0 * per_second
    stored = (_IMAGE_GIB + _CACHE_GIB) * _REGISTRY_USD_PER_GIB_AND_MONTH
    (shortest, longest), (least, most) = _IDLE_TAIL_SECONDS, _VERIFICATION_SECONDS
    return ServiceCost(
        busy_hour=hour,
        all_busy_hour=max_instances * hour,
        idle_tail=(shortest * per_second, longest * per_second),
        build=(_BUILD_MINUTES[0] * _BUILD_USD_PER_MINUTE, _BUILD_MINUTES[1] * _BUILD_USD_PER_MINUTE),
        verification=((shortest + least) * per_second, (longest + most) * per_second),
        idle_month=min_instances * HOURS_PER_MONTH * hour + stored,
        thousand_pages=1000.0 * per_second / pages_per_second(L4, in_flight),
    )
