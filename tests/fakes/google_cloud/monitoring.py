"""Cloud Monitoring: how many instances of a revision run, as its REST API tells."""

from __future__ import annotations

import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.loopback_server import LoopbackServer

_FILTER = re.compile(
    r'metric\.type = "run\.googleapis\.com/container/instance_count" AND resource\.labels\.service_name = "[\w-]+" '
    r'AND resource\.labels\.location = "[\w-]+" AND resource\.labels\.revision_name = "([\w-]+)"'
)


class Monitoring(LoopbackServer):
    """Counts of instances, by the short name of a revision; each answer takes the next count, the last one stays."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}
        self.refused = ""  # the message of a refusal; empty: the caller may read
        self.questions = 0
        super().__init__(type("_Mine", (_Handler,), {"fake": self}))

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a GET of the time series."""
        self.questions += 1
        if self.refused:
            return 403, {"error": {"code": 403, "message": self.refused, "status": "PERMISSION_DENIED"}}
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        asked = _FILTER.fullmatch(query.get("filter", ""))
        if not asked or not {"interval.startTime", "interval.endTime"} <= query.keys():
            return 400, {"error": {"code": 400, "message": f"not understood: {query}", "status": "INVALID_ARGUMENT"}}
        counts = self.counts.get(asked[1], [])
        count = counts.pop(0) if len(counts) > 1 else sum(counts)
        return 200, {"timeSeries": [_series("active", 0), _series("idle", count)]} if counts else {}


class _Handler(BaseHTTPRequestHandler):
    fake: Monitoring

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Log nothing."""

    def do_GET(self) -> None:
        """Answer."""
        status, answer = self.fake.answer(self.path)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _series(state: str, count: int) -> dict[str, Any]:
    """One series, its newest point first."""
    points = [{"value": {"int64Value": str(count)}}, {"value": {"int64Value": "9"}}]
    return {"metric": {"labels": {"state": state}}, "points": points}
