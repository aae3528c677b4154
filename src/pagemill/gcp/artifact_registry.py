"""Artifact Registry: finds images by tag, and checks the repositories."""

from __future__ import annotations

from google.api_core import exceptions as api
from google.cloud import artifactregistry_v1

from pagemill.config.service import ServiceSettings
from pagemill.domain.service.plan import Image
from pagemill.gcp.api import READS, GoogleApi

PACKAGE = "lightonocr"


class ArtifactRegistry:
    """The repositories of images and of the build cache."""

    def __init__(self, google: GoogleApi, settings: ServiceSettings, *, package: str) -> None:
        """Open the client; send no requests."""
        self._package = package
        self._google = google
        self._settings = settings
        self._client = google.client(artifactregistry_v1.ArtifactRegistryAsyncClient, settings.registry_emulator_host)

    @property
    def image_name(self) -> str:
        """The image's name without tag or digest."""
        where = self._settings
        return f"{where.region}-docker.pkg.dev/{where.project}/{where.repository}/{self._package}"

    async def find(self, tag: str) -> Image | None:
        """Return the image with a tag; None if there is none.

        Raises:
            PagemillError: We may not read the repository.
        """
        repository = self._repository(self._settings.repository)
        with self._google.translated_errors(f"looking for {self.image_name}:{tag}"):
            try:
                found = await self._client.get_tag(
                    name=f"{repository}/packages/{self._package}/tags/{tag}", retry=READS
                )
            except api.NotFound:
                return None
        return Image(self.image_name, found.version.rpartition("/")[2], source=tag)

    async def problems(self) -> list[str]:
        """Problems of the repositories, each with the command that fixes it.

        Raises:
            PagemillError: We may not read the repositories.
        """
        found = []
        for name in (self._settings.repository, self._settings.cache_repository):
            with self._google.translated_errors(f"reading the repository {name}"):
                try:
                    repository = await self._client.get_repository(name=self._repository(name), retry=READS)
                except api.NotFound:
                    found.append(
                        f"there is no Artifact Registry repository {name} in {self._settings.region}; type: gcloud "
                        f"artifacts repositories create {name} --repository-format=docker "
                        f"--location={self._settings.region} --project={self._settings.project}"
                    )
                    continue
            if repository.format_ != artifactregistry_v1.Repository.Format.DOCKER:
                found.append(f"the repository {name} is not for Docker images; set another one")
            if name == self._settings.cache_repository and repository.docker_config.immutable_tags:
                found.append(
                    f"the tags of {name} are immutable, but the build cache moves its tag; type: gcloud artifacts "
                    f"repositories update {name} --no-immutable-tags --location={self._settings.region}"
                )
        return found

    def _repository(self, name: str) -> str:
        return f"projects/{self._settings.project}/locations/{self._settings.region}/repositories/{name}"
