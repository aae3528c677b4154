"""The parameters of a run. The Prefect UI makes its form from this model."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError, field_validator, model_validator

from pagemill.config.invalid import invalid_values
from pagemill.domain.judging.findings import SUSPECT_BELOW
from pagemill.domain.pages.model import Mode
from pagemill.domain.pages.period import Period, parse_period
from pagemill.domain.pages.planning import parse_pages
from pagemill.domain.pages.retrying import Retry, parse_retry
from pagemill.domain.service.endpoint_url import checked
from pagemill.domain.wording import shown
from pagemill.errors import UsageError
from pagemill.wiring.forms import form_field


class OcrBatchParameters(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """Read PDFs and write Markdown."""

    source: str = form_field(
        ...,
        position=0,
        min_length=1,
        title="Source",
        description="gs://bucket/prefix, a PDF, a folder, or a .txt list (also in a bucket) of files or gs:// names",
    )
    destination: str = form_field(
        ...,
        position=1,
        min_length=1,
        title="Destination",
        description="gs://bucket/prefix or a folder; each document gets a folder in it",
    )
    endpoint: str = form_field(
        "",
        position=2,
        pattern=r"^(|local|https?://[^\s@?#/]+(/[^\s@?#]*)?)$",  # no password: the server keeps parameters
        title="Endpoint",
        description="URL of the OCR service, or 'local' for the embedded one; empty: LIGHTONOCR_SERVICE_URL or local",
    )
    include: str = form_field(
        "", position=3, title="Include", description="Only documents whose name or path matches, for example 2024/*.pdf"
    )
    pages: str = form_field(
        "", position=4, title="Pages", description="Only these pages, for example 1-3,7,10-; empty: all"
    )
    max_in_flight: int = form_field(
        8,
        position=5,
        ge=1,
        le=64,
        title="Pages in flight",
        description="Maximum number of pages at the endpoint at once",
    )
    mode: Mode = form_field(
        Mode.AUTO,
        position=6,
        title="Mode",
        description="auto: send every page that is not blank; force: send blank pages too; "
        "text: use a page's own text if it has some, send the others",
    )

    shards: int = form_field(
        1,
        position=7,
        ge=1,
        le=64,
        title="Shards",
        description="Number of runs that share the work, on any workers; more than one if rendering is the bottleneck",
    )
    since: str = form_field(
        "",
        position=8,
        title="Since",
        description="Only objects created, and files modified, from then on: 2026-11-30 or 2026-11-30T06:00+01:00; "
        "without a zone it is UTC",
    )
    until: str = form_field(
        "", position=9, title="Until", description="Only objects created, and files modified, before then"
    )
    share: int = form_field(
        0,
        position=10,
        ge=0,
        le=64,
        title="Share",
        description="Most slots that the run takes, all its shards together; 0: as many as pages in flight",
    )
    min_score: float = form_field(
        SUSPECT_BELOW,
        position=11,
        ge=0,
        le=1,
        title="Lowest score",
        description="Pages with a lower score (0 to 1) are named as suspects; they stay ok",
    )

    retry: str = form_field(
        "",
        position=12,
        title="Read again",
        description="Finished pages that are read again: failed, fallback, suspect, with commas; empty: none",
    )

    @property
    def retries(self) -> frozenset[Retry]:
        """Which results of earlier runs are not good enough."""
        return parse_retry(self.retry)

    @property
    def in_flight(self) -> int:
        """Maximum number of pages of this process at the endpoint at once."""
        return min(self.max_in_flight, self.share or self.max_in_flight)

    @property
    def period(self) -> Period:
        """When the documents were created or modified."""
        return parse_period(self.since, self.until)

    def most_shards(self) -> int:
        """How many shards the run may have: each needs a slot of its share."""
        return min(self.shards, self.share or self.shards)

    def of_shard(self, number: int, shards: int) -> OcrBatchParameters:
        """The parameters of a shard, from 1: it takes its part of the run's share."""
        if not self.share:
            return self
        part, left = divmod(self.share, shards)
        return self.model_copy(update={"share": part + (number <= left)})

    def with_absolute_paths(self) -> OcrBatchParameters:
        """The same with absolute paths: a worker has another current folder."""
        return self.model_copy(update={"source": absolute(self.source), "destination": absolute(self.destination)})

    @field_validator("endpoint", mode="before")
    @classmethod
    def _is_a_url(cls, endpoint: object) -> object:
        """Check the URL before its value is in any message: a UsageError passes through pydantic as it is."""
        if isinstance(endpoint, str):
            checked(endpoint, name="endpoint")
        return endpoint

    @model_validator(mode="after")
    def _is_a_period(self) -> OcrBatchParameters:
        try:
            parse_period(self.since, self.until)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    @field_validator("retry")
    @classmethod
    def _are_kinds_of_results(cls, retry: str) -> str:
        try:
            parse_retry(retry)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return retry

    @field_validator("pages")
    @classmethod
    def _are_page_ranges(cls, pages: str) -> str:
        try:
            parse_pages(pages)
        except UsageError as error:
            raise ValueError(str(error)) from None
        return pages


def checked_parameters(**given: object) -> OcrBatchParameters:
    """The parameters of a run.

    Raises:
        UsageError: Some are invalid; the message names all of them.
    """
    try:
        return OcrBatchParameters.model_validate(given)
    except ValidationError as error:
        wrong = invalid_values(error, OcrBatchParameters)
        raise UsageError(
            "; ".join(f"{name.replace('_', '-')} '{value}' {words}" if name else words for name, value, words in wrong)
        ) from None


def expanded(location: str) -> Path:
    """A local path, with the home folder in the place of `~` or `~user`.

    Raises:
        UsageError: There is no such user.
    """
    try:
        return Path(location).expanduser()
    except RuntimeError:
        raise UsageError(f"{shown(location)}: there is no such user, or no home folder; write the whole path") from None


def absolute(location: str) -> str:
    """A location with an absolute path, if it is a path: a worker has another current folder. Empty stays empty."""
    if not location:
        return ""
    return location if "://" in location else str(expanded(location).absolute())
