"""Cloud Logging: entries of Cloud Run's revisions, filtered and in pages."""

from __future__ import annotations

import datetime as dt
import re

from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse, LogEntry

from tests.fakes.google_cloud.grpc_server import GrpcServer, refuse

_FILTER = re.compile(
    r'resource\.type="cloud_run_revision" AND resource\.labels\.location="(?P<location>[\w-]+)" AND '
    r'resource\.labels\.revision_name="(?P<revision_name>[\w-]+)" AND timestamp>="(?P<since>[^"]+)"'
)
_MOST = 1000  # entries of a page
_ORDERS = {"": False, "timestamp asc": False, "timestamp desc": True}


class Logs:
    """The entries of one project. A page may hold fewer than were asked for, or none, and more may follow."""

    def __init__(self, grpc_server: GrpcServer, project: str) -> None:
        """Serve the method on the gRPC server."""
        self.entries: list[LogEntry] = []
        self._project = project
        grpc_server.serve(
            "google.logging.v2.LoggingServiceV2",
            {"ListLogEntries": (ListLogEntriesRequest, ListLogEntriesResponse, self._list)},
        )

    def write(self, revision: str, entry: LogEntry, *, service: str = "lightonocr") -> None:
        """Add an entry of a revision."""
        entry.resource.type = "cloud_run_revision"
        labels = {"service_name": service, "location": "europe-west4", "revision_name": revision}
        entry.resource.labels.update(labels)
        self.entries.append(entry)

    def _list(self, request: ListLogEntriesRequest) -> ListLogEntriesResponse:
        asked = _FILTER.fullmatch(request.filter)
        if not asked or request.order_by not in _ORDERS or request.page_size > _MOST:
            refuse("INVALID_ARGUMENT", f"not understood: {request}")
        if list(request.resource_names) != [f"projects/{self._project}"]:
            refuse("PERMISSION_DENIED", f"Permission denied for {list(request.resource_names)}")
        wanted = asked.groupdict()
        since = dt.datetime.fromisoformat(wanted.pop("since"))
        found = [
            entry
            for entry in self.entries
            if wanted.items() <= dict(entry.resource.labels).items() and entry.timestamp.astimezone(dt.UTC) >= since
        ]
        found.sort(key=lambda entry: entry.timestamp, reverse=_ORDERS[request.order_by])
        first = int(request.page_token or "0")
        size = (request.page_size + 1) // 2 if request.page_token else 0  # the first page is empty
        after = first + size
        token = str(after) if after < len(found) or not request.page_token else ""
        return ListLogEntriesResponse(entries=found[first:after], next_page_token=token)
