"""The whole project."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from tests.fakes.gcs import FakeGcs
from tests.fakes.google_cloud.builds import CloudBuild
from tests.fakes.google_cloud.grpc_server import GrpcServer, Operations
from tests.fakes.google_cloud.logs import Logs
from tests.fakes.google_cloud.monitoring import Monitoring
from tests.fakes.google_cloud.project import Project
from tests.fakes.google_cloud.registry import Registry
from tests.fakes.google_cloud.services import CloudRun
from tests.fakes.google_cloud.urls import LoopThread
from tests.fakes.metadata_server import MetadataServer

REGION = "europe-west4"
DEPLOYER = "pagemill-deployer@my-project.iam.gserviceaccount.com"


class GoogleCloud:
    """A project as Terraform creates it: APIs enabled, repositories, accounts and the bucket; no service yet."""

    def __init__(self, signer: MetadataServer, sources: FakeGcs, folder: Path, *, project: str = "my-project") -> None:
        """Create the project.

        Args:
            signer: The metadata server that signs the valid tokens.
            sources: Cloud Storage, which gets the bucket of sources.
            folder: Where the authority's file is written.
            project: The project's id.
        """
        self.grpc_server = GrpcServer()
        self.sources = sources
        self.operations = Operations(self.grpc_server)
        self.registry = Registry(self.grpc_server)
        self.project = Project(self.grpc_server, project)
        self.builds = CloudBuild(self.grpc_server, self.operations, self.registry, sources, project)
        self.logs = Logs(self.grpc_server, project)
        self._loop_thread = LoopThread()
        self.monitoring = Monitoring()
        self.run = CloudRun(
            self.grpc_server,
            self.operations,
            self._loop_thread,
            self.project,
            self.registry,
            signer=signer,
            folder=folder,
            monitoring=self.monitoring,
        )
        self.service = f"projects/{project}/locations/{REGION}/services/lightonocr"
        self.ca_file = folder / "ca.pem"
        self.bucket = f"{project}-pagemill-source"
        sources.create_bucket(self.bucket)
        sources.denied_in[self.bucket] = {"storage.objects.delete"}  # the deployer creates and reads sources
        for name, immutable in {"pagemill": True, "pagemill-cache": False}.items():
            location = f"projects/{project}/locations/{REGION}"
            self.registry.create(f"{location}/repositories/{name}", immutable_tags=immutable)
        for name in ("build", "run"):
            self.project.accounts.add(f"pagemill-{name}@{project}.iam.gserviceaccount.com")

    def __enter__(self) -> Self:
        self._loop_thread.start()
        self.grpc_server.__enter__()
        self.monitoring.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.monitoring.__exit__(None, None, None)
        self.grpc_server.__exit__()
        self._loop_thread.stop()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make the clients use it."""
        hosts = ("RUN", "CLOUDBUILD", "ARTIFACTREGISTRY", "LOGGING", "PROJECT")
        found = {f"{host}_EMULATOR_HOST": self.grpc_server.host for host in hosts}
        return found | {"MONITORING_EMULATOR_HOST": self.monitoring.host, "SSL_CERT_FILE": str(self.ca_file)}
