"""Cloud Logging: the last lines that a service's revisions have written, and what Cloud Run says of them."""

from __future__ import annotations

import datetime as dt

from google.api_core import exceptions as api
from google.cloud.audit.audit_log_pb2 import AuditLog
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.types import ListLogEntriesRequest, LogEntry
from google.logging.type import log_severity_pb2
from google.protobuf.json_format import MessageToDict, MessageToJson

from pagemill.config.service import ServiceSettings
from pagemill.gcp.api import READS, GoogleApi, NotAllowed

_KEPT = dt.timedelta(days=30)  # how long the log bucket `_Default` keeps entries
_PERMISSION = "logging.logEntries.list"


class ServiceLog:
    """Reads the log of revisions."""

    def __init__(self, google: GoogleApi, settings: ServiceSettings) -> None:
        """Open the client; send no requests.

        Args:
            google: Opens the client.
            settings: Project and region.
        """
        self._google = google
        self._settings = settings
        self._client = google.client(LoggingServiceV2AsyncClient, settings.logging_emulator_host)

    async def last(self, revision: str, count: int) -> list[str]:
        """The newest lines of a revision of the last 30 days, the oldest of them first.

        Args:
            revision: Its name.
            count: How many lines at most.

        Raises:
            NotAllowed: We may not read logs; the message names the role.
            PagemillError: The API does not answer, or is not enabled.
        """
        where, what = self._settings, f"reading the log of {revision}"
        labels = {"location": where.region, "revision_name": revision}  # revisions of two services have two names
        since = (dt.datetime.now(dt.UTC) - _KEPT).isoformat(timespec="seconds")
        wanted = "".join(f' AND resource.labels.{name}="{value}"' for name, value in labels.items())
        request = ListLogEntriesRequest(
            resource_names=[f"projects/{where.project}"],
            filter=f'resource.type="cloud_run_revision"{wanted} AND timestamp>="{since}"',
            order_by="timestamp desc",
            page_size=count,
        )
        found: list[LogEntry] = []
        try:
            with self._google.translated_errors(what):
                async for entry in await self._client.list_log_entries(request, retry=READS):
                    found.append(entry)
                    if len(found) == count:
                        break
        except NotAllowed as error:
            if not isinstance(error.__cause__, api.PermissionDenied):
                raise
            raise NotAllowed(
                f"{what}: {error.__cause__.message}; it takes {_PERMISSION}, which the deployer of infra/terraform and "
                "roles/logging.viewer have; type: terraform -chdir=infra/terraform apply"
            ) from error
        return [_line(entry) for entry in reversed(found)]


def _line(entry: LogEntry) -> str:
    """An entry as one line: its time, its severity if it has one, its text."""
    severity = log_severity_pb2.LogSeverity.Name(entry.severity) if entry.severity else ""
    time = entry.timestamp.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return " ".join(part for part in (time, severity, _text(entry).rstrip()) if part)


def _text(entry: LogEntry) -> str:
    """What an entry says: text of the container, a request, or an event of Cloud Run."""
    if entry.http_request.request_method:
        request = entry.http_request
        seconds = request.latency.ToTimedelta().total_seconds()
        return f"{request.request_method} {request.request_url} {request.status} {seconds:.3f} s"
    message = LogEntry.pb(entry)
    match message.WhichOneof("payload"):
        case "json_payload":
            told = MessageToDict(message.json_payload)
            return str(told.get("message") or MessageToJson(message.json_payload, indent=None))
        case "proto_payload":
            event = AuditLog()
            if message.proto_payload.Unpack(event):
                return str(event.status.message or event.method_name)
            return str(message.proto_payload.type_url)
    return str(entry.text_payload)
