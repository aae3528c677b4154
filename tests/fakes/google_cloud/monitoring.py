"""Cloud Monitoring: what its REST API tells of revisions of Cloud Run."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.loopback_server import LoopbackServer

_FILTER = re.compile(
    r'metric\.type = "run\.googleapis\.com/([\w/]+)"((?: AND (?:resource|metric)\.labels\.\w+ = "[\w-]+")*)'
)
_CONDITION = re.compile(r'(resource|metric)\.labels\.(\w+) = "([\w-]+)"')
_LABELS = {"service_name", "location", "revision_name", "response_code_class"}
_INTERVAL = ("interval.startTime", "interval.endTime")
_REDUCERS = {
    "request_latencies": "REDUCE_PERCENTILE_95",
    "container/billable_instance_time": "REDUCE_SUM",
}
Query = Mapping[str, str]


@dataclass(frozen=True)
class Served:
    """A request that a revision has answered."""

    revision: str
    status: int
    seconds: float
    at: dt.datetime

    @property
    def code_class(self) -> str:
        """As in 2xx."""
        return f"{self.status // 100}xx"


class Monitoring(LoopbackServer):
    """Instances, requests and billed time of one service's revisions, by their short names."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}  # instances; each answer takes the next count, the last one stays
        self.served: list[Served] = []
        self.billed: dict[str, float] = {}  # seconds of the last 24 hours
        self.sample_seconds = 60.0  # how much time a count covers
        self.refused = ""  # the message of a refusal; empty: the caller may read
        self.down = 0  # how many questions get no answer
        self.questions = 0
        super().__init__(type("_Mine", (_Handler,), {"fake": self}))

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and body for a GET of the time series."""
        self.questions += 1
        if self.refused:
            return 403, {"error": {"code": 403, "message": self.refused, "status": "PERMISSION_DENIED"}}
        if self.down:
            self.down -= 1
            return 503, {"error": {"code": 503, "message": "The service is unavailable.", "status": "UNAVAILABLE"}}
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        asked = _FILTER.fullmatch(query.get("filter", ""))
        labels = {name: value for _, name, value in _CONDITION.findall(asked[2])} if asked else {}
        if not asked or labels.keys() - _LABELS or (wrong := _wrong(asked[1], query)):
            wrong = wrong if asked else "the filter"
            message = f"not understood: {wrong} of {query}"
            return 400, {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
        series = list(self._series(asked[1], labels, query))
        return 200, {"timeSeries": series} if series else {}

    def _series(self, metric: str, labels: Mapping[str, str], query: Query) -> Iterable[dict[str, Any]]:
        match metric:
            case "container/instance_count":
                counts = self.counts.get(labels["revision_name"], [])
                count = counts.pop(0) if len(counts) > 1 else sum(counts)
                return [_instances("active", 0), _instances("idle", count)] if counts else []
            case "container/billable_instance_time":
                return [_point({}, "doubleValue", sum(self.billed.values()))] if self.billed else []
        start, end = (dt.datetime.fromisoformat(query[name]) for name in _INTERVAL)
        found = [
            served
            for served in self.served
            if served.revision == labels["revision_name"]
            and labels.get("response_code_class", served.code_class) == served.code_class
            and start < served.at <= end
        ]
        if metric == "request_latencies":
            slow = sorted(served.seconds for served in found)
            return [_point({}, "doubleValue", 1000 * slow[math.ceil(0.95 * len(slow)) - 1])] if slow else []
        by_class: dict[str, Counter[dt.datetime]] = defaultdict(Counter)
        for served in found:
            by_class[served.code_class][self._sample_of(served.at)] += 1
        return [
            {"metric": {"labels": {"response_code_class": name}}, "points": self._counts(samples, end)}
            for name, samples in by_class.items()
        ]

    def _sample_of(self, at: dt.datetime) -> dt.datetime:
        """When the sample began that covers a moment."""
        return dt.datetime.fromtimestamp(at.timestamp() // self.sample_seconds * self.sample_seconds, dt.UTC)

    def _counts(self, samples: Mapping[dt.datetime, int], now: dt.datetime) -> list[dict[str, Any]]:
        """Points of the samples that have ended, the newest first."""
        ends = {begun: begun + dt.timedelta(seconds=self.sample_seconds) for begun in sorted(samples, reverse=True)}
        return [
            {
                "interval": {"startTime": begun.isoformat(), "endTime": end.isoformat()},
                "value": {"int64Value": str(samples[begun])},
            }
            for begun, end in ends.items()
            if end <= now
        ]


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


def _wrong(metric: str, query: Query) -> str:
    """What the API refuses of a query; empty: nothing."""
    if not set(_INTERVAL) <= query.keys() or query[_INTERVAL[0]] >= query[_INTERVAL[1]]:
        return "the interval"
    reducer = query.get("aggregation.crossSeriesReducer", "")
    if reducer != _REDUCERS.get(metric, ""):
        return "the reducer"
    period = re.fullmatch(r"(\d+)s", query.get("aggregation.alignmentPeriod", "60s"))
    if not period or int(period[1]) < 60:
        return "the alignment period, which is at least 60 s"
    if reducer and query.get("aggregation.perSeriesAligner") != "ALIGN_DELTA":
        return "the aligner"
    return ""


def _point(labels: Mapping[str, str], kind: str, value: object) -> dict[str, Any]:
    return {"metric": {"labels": labels}, "points": [{"value": {kind: value}}]}


def _instances(state: str, count: int) -> dict[str, Any]:
    """One series, its newest point first."""
    points = [{"value": {"int64Value": str(count)}}, {"value": {"int64Value": "9"}}]
    return {"metric": {"labels": {"state": state}}, "points": points}
