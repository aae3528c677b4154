"""The project: enabled APIs, existing accounts, and the caller's permissions."""

from __future__ import annotations

from typing import Any

from google.cloud import iam_admin_v1, resourcemanager_v3, service_usage_v1
from google.iam.v1 import iam_policy_pb2

from tests.fakes.google_cloud.grpc_server import GrpcServer, disabled, no_quota_project, refuse

_PERMISSIONS = {
    "CreateBuild": "cloudbuild.builds.create",
    "GetBuild": "cloudbuild.builds.get",
    "GetService": "run.services.get",
    "UpdateService": "run.services.update",
    "DeleteService": "run.services.delete",
    "GetIamPolicy": "run.services.getIamPolicy",
    "SetIamPolicy": "run.services.setIamPolicy",
    "GetRevision": "run.revisions.get",
    "GetRepository": "artifactregistry.repositories.get",
    "ListLogEntries": "logging.logEntries.list",
    "GetTag": "artifactregistry.tags.get",
    "GetServiceAccount": "iam.serviceAccounts.get",
    "BatchGetServices": "serviceusage.services.get",
}
_APIS = {
    "run": "run.googleapis.com",
    "cloudbuild": "cloudbuild.googleapis.com",
    "artifactregistry": "artifactregistry.googleapis.com",
    "logging": "logging.googleapis.com",
}


class Project:
    """One project, and one caller."""

    def __init__(self, grpc_server: GrpcServer, name: str) -> None:
        """Serve the methods on the gRPC server."""
        self.name = name
        self.denied: set[str] = set()  # permissions that the caller lacks
        self.apis_off: set[str] = set()
        self.quota_project = True  # whether the caller's login has one
        self.accounts: set[str] = set()  # e-mails
        self.not_ours: set[str] = set()  # accounts that the caller may not act as
        grpc_server.before = self._admit
        tested = iam_policy_pb2.TestIamPermissionsResponse
        grpc_server.serve(
            "google.cloud.resourcemanager.v3.Projects",
            {"TestIamPermissions": (iam_policy_pb2.TestIamPermissionsRequest, tested, self._test)},
        )
        grpc_server.serve(
            "google.iam.admin.v1.IAM",
            {
                "GetServiceAccount": (
                    iam_admin_v1.GetServiceAccountRequest,
                    iam_admin_v1.ServiceAccount,
                    self._account,
                ),
                "TestIamPermissions": (iam_policy_pb2.TestIamPermissionsRequest, tested, self._test_account),
            },
        )
        usage = service_usage_v1
        grpc_server.serve(
            "google.api.serviceusage.v1.ServiceUsage",
            {"BatchGetServices": (usage.BatchGetServicesRequest, usage.BatchGetServicesResponse, self._services)},
        )
        assert resourcemanager_v3

    def check_account(self, email: str) -> None:
        """Refuse an account that does not exist, or that the caller may not act as."""
        if email not in self.accounts or email in self.not_ours:
            refuse(
                "PERMISSION_DENIED",
                f"Permission 'iam.serviceaccounts.actAs' denied on service account {email} (or it may not exist).",
            )

    def _admit(self, method: str, request: Any) -> None:
        permission = _PERMISSIONS.get(method, "")
        api = _APIS.get(permission.partition(".")[0], "")
        if not self.quota_project:
            raise no_quota_project(api or "cloudresourcemanager.googleapis.com")
        if api in self.apis_off:
            raise disabled(api, self.name)
        if permission in self.denied:
            resource = getattr(request, "name", "") or getattr(request, "resource", "") or f"projects/{self.name}"
            refuse(
                "PERMISSION_DENIED", f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
            )

    def _test(self, request: iam_policy_pb2.TestIamPermissionsRequest) -> iam_policy_pb2.TestIamPermissionsResponse:
        if request.resource != f"projects/{self.name}":
            refuse("NOT_FOUND", f"{request.resource} not found")
        held = [permission for permission in request.permissions if permission not in self.denied]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=held)

    def _account(self, request: iam_admin_v1.GetServiceAccountRequest) -> iam_admin_v1.ServiceAccount:
        email = request.name.rpartition("/")[2]
        if email not in self.accounts:
            refuse("NOT_FOUND", f"Unknown service account {email}")
        return iam_admin_v1.ServiceAccount(name=request.name, email=email)

    def _test_account(
        self, request: iam_policy_pb2.TestIamPermissionsRequest
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        mine = request.resource.rpartition("/")[2] not in self.not_ours
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=request.permissions if mine else [])

    def _services(self, request: service_usage_v1.BatchGetServicesRequest) -> service_usage_v1.BatchGetServicesResponse:
        state = service_usage_v1.State
        return service_usage_v1.BatchGetServicesResponse(
            services=[
                service_usage_v1.Service(
                    name=name, state=state.DISABLED if name.rpartition("/")[2] in self.apis_off else state.ENABLED
                )
                for name in request.names
            ]
        )
