"""Artifact Registry: repositories, and which digest a tag names."""

from __future__ import annotations

from typing import Any

from google.cloud import artifactregistry_v1

from tests.fakes.google_cloud.grpc_server import GrpcServer, refuse

_Format = artifactregistry_v1.Repository.Format


class Registry:
    """Images by name and tag."""

    def __init__(self, grpc_server: GrpcServer) -> None:
        """Serve the methods on the gRPC server."""
        self.repositories: dict[str, artifactregistry_v1.Repository] = {}  # by full name
        self.tags: dict[str, str] = {}  # registry/project/repository/image:tag to digest
        v1 = artifactregistry_v1
        grpc_server.serve(
            "google.devtools.artifactregistry.v1.ArtifactRegistry",
            {
                "GetRepository": (v1.GetRepositoryRequest, v1.Repository, self._get_repository),
                "GetTag": (v1.GetTagRequest, v1.Tag, self._get_tag),
            },
        )

    def create(self, name: str, *, kind: Any = _Format.DOCKER, immutable_tags: bool = False) -> None:
        """Create a repository, by its full name."""
        self.repositories[name] = artifactregistry_v1.Repository(
            name=name,
            format_=kind,
            docker_config=artifactregistry_v1.Repository.DockerRepositoryConfig(immutable_tags=immutable_tags),
        )

    def push(self, reference: str, digest: str) -> str:
        """Push an image by tag; return an error message, or an empty string."""
        if not any(_image_prefix(name) == reference.rpartition("/")[0] for name in self.repositories):
            return f"name unknown: the repository of {reference} does not exist"
        immutable = any(
            repository.docker_config.immutable_tags and _image_prefix(name) == reference.rpartition("/")[0]
            for name, repository in self.repositories.items()
        )
        if immutable and self.tags.get(reference, digest) != digest:
            return f"denied: the tag of {reference} is immutable"
        self.tags[reference] = digest
        return ""

    def holds(self, reference: str) -> bool:
        """Whether an image can be pulled, by digest."""
        name, _, digest = reference.partition("@")
        return any(tagged.rpartition(":")[0] == name and found == digest for tagged, found in self.tags.items())

    def _get_repository(self, request: artifactregistry_v1.GetRepositoryRequest) -> artifactregistry_v1.Repository:
        if request.name not in self.repositories:
            refuse("NOT_FOUND", f"Repository '{request.name}' not found")
        return self.repositories[request.name]

    def _get_tag(self, request: artifactregistry_v1.GetTagRequest) -> artifactregistry_v1.Tag:
        repository, _, rest = request.name.partition("/packages/")
        package, _, tag = rest.partition("/tags/")
        reference = f"{_image_prefix(repository)}/{package}:{tag}"
        if reference not in self.tags:
            refuse("NOT_FOUND", f"Requested entity was not found: {request.name}")
        version = f"{repository}/packages/{package}/versions/{self.tags[reference]}"
        return artifactregistry_v1.Tag(name=request.name, version=version)


def _image_prefix(repository: str) -> str:
    """`projects/P/locations/L/repositories/R` as images are named: `L-docker.pkg.dev/P/R`."""
    _, project, _, location, _, name = repository.split("/")
    return f"{location}-docker.pkg.dev/{project}/{name}"
