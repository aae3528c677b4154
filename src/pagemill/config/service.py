"""Every setting of the GPU service: what is deployed, where, and how it is verified."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from pagemill.config.emulators import EmulatorSettings
from pagemill.config.lists import ContainerVariables, Texts
from pagemill.config.run import read
from pagemill.domain.service.plan import CANDIDATE_TAG
from pagemill.errors import UsageError

_MOST_GIB = {1: 4, 2: 8, 4: 16, 6: 24, 8: 32}  # memory by vCPU; a GPU needs 4 vCPU
_LONGEST_START_SECONDS = 1800  # period times failures of the startup probe; 600 without a GPU
_TAG_AND_NAME = 46  # characters of traffic tag and name together, so that the URL's first label has at most 63
LONGEST_NAME = _TAG_AND_NAME - len(CANDIDATE_TAG)


class ServiceSettings(EmulatorSettings):
    """The service as it should be. Frozen once read; the defaults are the specification."""

    model_config = SettingsConfigDict(env_prefix="PAGEMILL_SERVICE_", frozen=True, extra="ignore", allow_inf_nan=False)

    # Where
    project: str = Field(
        "",
        validation_alias="GOOGLE_CLOUD_PROJECT",
        pattern=r"^([a-z][a-z0-9-]{4,28}[a-z0-9])?$",
        description="id of the Google Cloud project",
    )
    region: str = Field(
        "europe-west4", pattern=r"^[a-z]+-[a-z]+[0-9]+$", description="a region of Cloud Run that has L4 GPUs"
    )
    name: str = Field(
        "lightonocr",
        pattern=r"^[a-z]([a-z0-9-]{0,47}[a-z0-9])?$",
        description=f"the service's name, at most {LONGEST_NAME} characters",
    )
    repository: str = Field("pagemill", description="Artifact Registry repository of the images")
    cache_repository: str = Field("pagemill-cache", description="Artifact Registry repository of the build cache")
    source_bucket: str = Field("", description="bucket of the build's sources; empty: PROJECT-pagemill-source")
    build_account: str = Field("", description="service account of the builds; empty: pagemill-build@PROJECT…")
    runtime_account: str = Field(
        "", description="service account that the service runs as, without any role; empty: pagemill-run@PROJECT…"
    )
    invokers: Texts = Field(
        (),
        description="IAM members who may call the service, as a JSON list; "
        "empty: the accounts pagemill-caller, pagemill-worker and pagemill-deployer of the project",
    )

    # One instance
    cpu: int = Field(8, ge=4, le=8, multiple_of=2, description="vCPU of an instance: 4, 6 or 8; an L4 needs 4 or more")
    memory_gib: int = Field(
        32,
        ge=16,
        le=32,
        description="memory of an instance in GiB: an L4 needs 16; at most 16 with 4 vCPU, 24 with 6, 32 with 8",
    )
    accelerator: Literal["nvidia-l4"] = Field("nvidia-l4", description="GPU type; each instance has one")
    zonal_redundancy: bool = Field(
        False, description="whether GPUs are reserved in a second zone: costs 56 % more, and has a quota of its own"
    )

    # How many
    min_instances: int = Field(0, ge=0, le=10, description="instances that run, and are billed, even without requests")
    max_instances: int = Field(
        3,
        ge=1,
        le=100,
        description="maximum number of instances; multiplied by cpu and memory_gib it must fit the region's quota: 3 "
        "need 24 vCPU, 96 GiB and 3 L4; a new project has 20 vCPU and 40 GiB, enough for 1",
    )
    concurrency: int = Field(
        16,
        ge=1,
        le=1000,
        description="requests that an instance gets at the same time; the autoscaler aims at 60 % of it, so eight in "
        "flight do not start a second GPU",
    )
    request_seconds: int = Field(
        600, ge=1, le=3600, description="timeout of a request; must be longer than the client's PAGEMILL_ANSWER_SECONDS"
    )
    ingress: Literal["all", "internal"] = Field(
        "all",
        description="who can reach it: all (IAM still checks each caller), or internal (callers inside the VPC only)",
    )
    audiences: Texts = Field(
        (),
        description="URLs that identity tokens may also be made for, as a JSON list, such as that of a load balancer "
        "before the service; empty: those that were set by hand stay",
    )
    vpc_network: str = Field(
        "", description="VPC network that the container's own requests go through; empty: none. vLLM sends none itself"
    )
    vpc_subnet: str = Field("", description="subnet in the service's region; empty: that of the network's name")
    vpc_egress: Literal["private-ranges-only", "all-traffic"] = Field(
        "private-ranges-only", description="which requests go through the network: private-ranges-only or all-traffic"
    )
    shutdown_seconds: int = Field(
        0,
        ge=0,
        le=8,
        description="how long vLLM reads pages in flight to their end after SIGTERM; Cloud Run kills it after 10 s. "
        "0: it aborts them at once, and they are sent again",
    )

    # Probes
    startup_period_seconds: int = Field(10, ge=1, le=240, description="time between two startup probes of /health")
    startup_failures: int = Field(
        60,
        ge=1,
        le=240,
        description="startup probes that may fail; multiplied by the period it is the longest start, 1800 s at most",
    )
    startup_timeout_seconds: int = Field(5, ge=1, le=240, description="timeout of a startup probe")
    liveness_period_seconds: int = Field(30, ge=1, le=3600, description="time between two liveness probes of /health")
    liveness_failures: int = Field(
        4, ge=1, le=100, description="liveness probes that may fail; a busy CPU must not restart an instance"
    )
    liveness_timeout_seconds: int = Field(10, ge=1, le=3600, description="timeout of a liveness probe")
    readiness_period_seconds: int = Field(
        0,
        ge=0,
        le=300,
        description="time between two readiness probes of /health, with which an instance that hangs gets no requests "
        "before it is killed; 0: none, because Cloud Run has them as a preview only",
    )
    readiness_failures: int = Field(2, ge=1, le=100, description="readiness probes that may fail")
    readiness_timeout_seconds: int = Field(5, ge=1, le=300, description="timeout of a readiness probe")

    # vLLM
    gpu_memory_utilization: float = Field(0.8, gt=0, le=0.95, description="share of the GPU's memory that vLLM uses")
    max_num_seqs: int = Field(8, ge=1, le=256, description="pages that vLLM reads at the same time")
    max_num_batched_tokens: int = Field(
        8192,
        ge=3025,
        le=65536,
        description="tokens of a step, so also of the images that are encoded together; a page has up to 3,025",
    )
    max_model_len: int = Field(
        8192,
        ge=4096,
        le=16384,
        description="tokens of a page with its text; an image has up to 3,025, a text up to 4,096",
    )

    environment: ContainerVariables = Field(
        (),
        description="variables of the service's container, as a JSON list of NAME=VALUE; no secrets: the report of "
        "each deployment shows them",
    )

    # The image; empty: the value in infra/gpu_service/cloudbuild.yaml
    base_image: str = Field("", description="vLLM's image; empty: the one in cloudbuild.yaml")
    model_revision: str = Field(
        "",
        pattern=r"^([0-9a-f]{40})?$",
        description="revision of the weights, 40 hex digits; empty: as in cloudbuild.yaml",
    )
    model_sha256: str = Field(
        "", pattern=r"^([0-9a-f]{64})?$", description="SHA-256 of model.safetensors; empty: as in cloudbuild.yaml"
    )

    # How long the steps may take
    deploy_seconds: float = Field(
        1200.0,
        gt=0,
        description="time for a new revision to become ready: its image is pulled, its startup probe succeeds",
    )
    health_seconds: float = Field(660.0, gt=0, description="time for /health to succeed at the revision's URL")
    grant_seconds: float = Field(
        600.0,
        gt=0,
        description="time for a change of the IAM policy to take effect, a grant or a revocation: 2 to 7 minutes, "
        "sometimes longer",
    )
    idle_seconds: float = Field(
        3600.0,
        gt=0,
        description="time for the revision that serves to lose its last instance, with --wait-for-idle; Cloud Run "
        "stops one 10 to 15 minutes after its last request",
    )
    poll_seconds: float = Field(5.0, gt=0, le=60, description="time between two polls of an operation")

    # Canary pages
    canary_in_flight: int = Field(8, ge=1, le=64, description="canary pages in flight at the same time")
    canary_seconds: float = Field(120.0, gt=0, description="timeout of a canary page")
    canary_word_f1: float = Field(
        0.8, gt=0, le=1, description="minimum agreement of each page with its known text: F1 score over words"
    )

    # Gradual traffic, with --canary
    step_seconds: float = Field(
        600.0,
        ge=0,
        description="how long each step of --canary takes; Monitoring tells of a request up to three minutes later",
    )
    step_requests: int = Field(20, ge=1, description="requests at the new revision that prove a step of --canary")
    step_error_percent: float = Field(
        5.0, ge=0, le=100, description="share of answers with 5xx above which --canary goes back"
    )
    step_slowdown: float = Field(
        2.0,
        ge=1,
        description="--canary goes back if the new revision's latency (95 % of the answers) is more than this times "
        "the old one's",
    )

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        for kind in ("startup", "liveness", *(["readiness"] if self.readiness_period_seconds else [])):
            timeout, period = getattr(self, f"{kind}_timeout_seconds"), getattr(self, f"{kind}_period_seconds")
            if timeout > period:
                raise ValueError(f"{kind}_timeout_seconds ({timeout}) is longer than {kind}_period_seconds ({period})")
        if self.startup_seconds > _LONGEST_START_SECONDS:
            raise ValueError(
                f"startup_period_seconds ({self.startup_period_seconds}) times startup_failures "
                f"({self.startup_failures}) is {self.startup_seconds}: Cloud Run gives a service with a GPU "
                f"{_LONGEST_START_SECONDS} s to start"
            )
        if len(self.name) > LONGEST_NAME:
            raise ValueError(
                f"the name {self.name} has {len(self.name)} characters, at most {LONGEST_NAME} are possible: a new "
                f"revision is verified at a URL that begins with {CANDIDATE_TAG}---{self.name}"
            )
        if self.memory_gib > _MOST_GIB[self.cpu]:
            most = _MOST_GIB[self.cpu]
            raise ValueError(f"memory_gib ({self.memory_gib}) is more than {self.cpu} vCPU may have ({most})")
        if self.min_instances > self.max_instances:
            raise ValueError(f"min_instances ({self.min_instances}) is more than max_instances ({self.max_instances})")
        if self.concurrency < self.max_num_seqs:
            raise ValueError(
                f"concurrency ({self.concurrency}) is less than max_num_seqs ({self.max_num_seqs}): "
                "vLLM would never get as many pages as it can read at the same time"
            )
        return self

    @property
    def has_gpu(self) -> bool:
        """Whether an instance has a GPU. The service of a smoke test has none."""
        return bool(self.accelerator)

    @property
    def where(self) -> str:
        """Project, region and service, for messages."""
        return f"project {self.project}, region {self.region}, service {self.name}"

    @property
    def full_name(self) -> str:
        """The service with its region and project, within a sentence."""
        return f"{self.name} in {self.region} of {self.project}"

    @property
    def bucket(self) -> str:
        """Bucket of the builds' sources."""
        return self.source_bucket or f"{self.project}-pagemill-source"

    @property
    def builder(self) -> str:
        """E-mail of the service account of the builds."""
        return self.build_account or self._account("build")

    @property
    def runtime(self) -> str:
        """E-mail of the service account that the service runs as."""
        return self.runtime_account or self._account("run")

    @property
    def members(self) -> tuple[str, ...]:
        """IAM members who may call the service."""
        return self.invokers or tuple(
            f"serviceAccount:{self._account(who)}" for who in ("caller", "worker", "deployer")
        )

    @property
    def startup_seconds(self) -> int:
        """The longest start that the startup probe allows."""
        return self.startup_period_seconds * self.startup_failures

    def _account(self, who: str) -> str:
        return f"pagemill-{who}@{self.project}.iam.gserviceaccount.com"


def read_service_settings(**overrides: object) -> ServiceSettings:
    """Read the environment.

    Args:
        overrides: Values by field name that replace those of the environment; None: keep the environment's.

    Raises:
        UsageError: Variables have invalid values, all of which are named; or no project is set.
    """
    settings = read(ServiceSettings, **overrides)
    if not settings.project:
        raise UsageError("no project is set; type: export GOOGLE_CLOUD_PROJECT=PROJECT")
    return settings
