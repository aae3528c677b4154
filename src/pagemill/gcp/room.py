"""Whether a second revision can start beside the one that serves: quotas of the region, and instances that run."""

from __future__ import annotations

from collections.abc import Mapping

from google.api_core import exceptions as api
from google.cloud import run_v2

from pagemill.config.service import ServiceSettings
from pagemill.domain.service.plan import ServiceState
from pagemill.gcp.api import GoogleApi
from pagemill.gcp.metrics import ServiceMetrics
from pagemill.gcp.quota import Violation, violations
from pagemill.gcp.run_spec import service_message
from pagemill.gcp.traffic import to_latest

_MANY = 1000  # instances that no quota allows: the answer lists what each quota does allow
_GPUS = 2  # one an instance
_LIMITS = "template.containers[0].resources.limits"


class RegionRoom:
    """The room that a region has for instances of one service."""

    def __init__(self, google: GoogleApi, settings: ServiceSettings, *, model: str) -> None:
        """Open the client; send no requests."""
        self._google = google
        self._settings = settings
        self._model = model
        self._metrics = ServiceMetrics(google, settings)
        self._services = google.client(run_v2.ServicesAsyncClient, settings.run_emulator_host)

    async def shortages(self, state: ServiceState, image: str) -> list[str]:
        """Quotas that have no room for an instance of the service as it should be beside one as it is.

        Args:
            state: The service as it is.
            image: Reference of an image, for the request.

        Raises:
            PagemillError: We may not ask.
        """
        allowed = await self._quotas(image)
        needed = {
            "CpuAllocPerProjectRegion": 1000 * (self._settings.cpu + int(state.fields.get(f"{_LIMITS}.cpu", "0"))),
            "MemAllocPerProjectRegion": 2**30
            * (self._settings.memory_gib + int(state.fields.get(f"{_LIMITS}.memory", "0Gi").removesuffix("Gi"))),
        }
        found = [
            Violation(metric, "", needed.get(metric, 2 if "Gpu" in metric else 0), most)
            for metric, most in allowed.items()
        ]
        return [violation.described() for violation in found if violation.requested > violation.allowed]

    async def instances(self, revision: str) -> int:
        """Instances of a revision that run, as Monitoring knows; a minute or three may have passed since.

        Raises:
            PagemillError: Monitoring does not tell.
        """
        return await self._metrics.instances(revision)

    async def _quotas(self, image: str) -> Mapping[str, int]:
        """What the region's quotas allow, by name, of those that a thousand instances exceed."""
        message = service_message(self._settings, image=image, model=self._model)
        message.name = (
            f"projects/{self._settings.project}/locations/{self._settings.region}/services/{self._settings.name}"
        )
        message.traffic = [to_latest(100)]
        message.scaling.max_instance_count = message.template.scaling.max_instance_count = _MANY
        request = run_v2.UpdateServiceRequest(service=message, allow_missing=True, validate_only=True)
        with self._google.translated_errors("asking for the region's quotas"):
            try:
                await self._services.update_service(request)
            except (api.FailedPrecondition, api.ResourceExhausted, api.InvalidArgument) as error:
                return {found.metric: found.allowed for found in violations(error.message)}
        return {}
