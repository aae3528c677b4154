"""Checks what a project needs before a deployment. Each problem names the command that fixes it."""

from __future__ import annotations

from collections.abc import Sequence

from google.api_core import exceptions as api
from google.cloud import iam_admin_v1, resourcemanager_v3, service_usage_v1
from google.iam.v1 import iam_policy_pb2

from pagemill.config.service import ServiceSettings
from pagemill.gcp.api import READS, GoogleApi

APIS = (
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "iam.googleapis.com",
    "run.googleapis.com",
    "storage.googleapis.com",
)
# What the flow needs on the project; infra/terraform/accounts.tf grants these to the deployer.
PERMISSIONS = (
    "cloudbuild.builds.create",
    "cloudbuild.builds.get",
    "run.operations.get",
    "run.revisions.get",
    "run.services.create",
    "run.services.get",
    "run.services.getIamPolicy",
    "run.services.setIamPolicy",
    "run.services.update",
)
DELETE = "run.services.delete"  # only what deletes a service needs it
_ACT_AS = "iam.serviceAccounts.actAs"
_Enabled = service_usage_v1.State.ENABLED


class ProjectChecks:
    """Checks APIs, permissions and service accounts; changes nothing."""

    def __init__(
        self, google: GoogleApi, settings: ServiceSettings, *, permissions: Sequence[str] = PERMISSIONS
    ) -> None:
        """Open the clients; send no requests.

        Args:
            google: Opens the clients.
            settings: The service as it should be.
            permissions: That the caller needs on the project.
        """
        host = settings.project_emulator_host
        self._google = google
        self._settings = settings
        self._needed = permissions
        self._apis = google.client(service_usage_v1.ServiceUsageAsyncClient, host)
        self._projects = google.client(resourcemanager_v3.ProjectsAsyncClient, host)
        self._iam = google.client(iam_admin_v1.IAMAsyncClient, host)

    async def apis(self) -> list[str]:
        """APIs that are not enabled.

        Raises:
            PagemillError: We may not read the list.
        """
        parent = f"projects/{self._settings.project}"
        request = service_usage_v1.BatchGetServicesRequest(
            parent=parent, names=[f"{parent}/services/{name}" for name in APIS]
        )
        with self._google.translated_errors("reading the project's APIs"):
            found = await self._apis.batch_get_services(request, retry=READS)
        off = [service.name.rpartition("/")[2] for service in found.services if service.state != _Enabled]
        return [str(self._google.disabled(name)) for name in off]

    async def permissions(self) -> list[str]:
        """Permissions that the caller lacks.

        Raises:
            PagemillError: We may not test them.
        """
        project = self._settings.project
        request = iam_policy_pb2.TestIamPermissionsRequest(resource=f"projects/{project}", permissions=self._needed)
        with self._google.translated_errors(f"testing our permissions in {project}"):
            try:
                held = set((await self._projects.test_iam_permissions(request, retry=READS)).permissions)
            except api.NotFound:
                return [f"there is no project {project}, or we may not see it; type: gcloud projects list"]
        missing = [permission for permission in self._needed if permission not in held]
        if not missing:
            return []
        role = f"--member=MEMBER --role=projects/{project}/roles/pagemillDeployer"
        how = f"an owner can grant the role of infra/terraform: gcloud projects add-iam-policy-binding {project} {role}"
        return [f"we lack {', '.join(missing)} in {project}; {how}"]

    async def accounts(self) -> list[str]:
        """Service accounts that are missing, or that the caller may not act as.

        Raises:
            PagemillError: We may not read them.
        """
        return [
            problem
            for email in (self._settings.builder, self._settings.runtime)
            for problem in await self._account(email)
        ]

    async def _account(self, email: str) -> list[str]:
        name = f"projects/{self._settings.project}/serviceAccounts/{email}"
        with self._google.translated_errors(f"reading the service account {email}"):
            try:
                await self._iam.get_service_account(name=name, retry=READS)
                held = await self._iam.test_iam_permissions(
                    iam_policy_pb2.TestIamPermissionsRequest(resource=name, permissions=[_ACT_AS]), retry=READS
                )
            except api.NotFound:
                how = f"gcloud iam service-accounts create {email.partition('@')[0]} --project={self._settings.project}"
                return [f"there is no service account {email}; type: {how}"]
        if _ACT_AS in held.permissions:
            return []
        how = f"gcloud iam service-accounts add-iam-policy-binding {email} --project={self._settings.project}"
        return [f"we may not act as {email}; type: {how} --member=MEMBER --role=roles/iam.serviceAccountUser"]
