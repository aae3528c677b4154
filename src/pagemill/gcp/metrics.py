"""Cloud Monitoring: instances, requests and billed time of a service's revisions."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pagemill.config.service import ServiceSettings
from pagemill.domain.service.load import RevisionLoad
from pagemill.gcp.api import GoogleApi

_RECENT = dt.timedelta(minutes=5)  # Monitoring takes a sample a minute and shows it up to three minutes later
_SHORTEST = dt.timedelta(minutes=1)  # period of an aggregation
_DAY = dt.timedelta(days=1)


class ServiceMetrics:
    """What Monitoring knows of one service; all of it a minute to three minutes ago."""

    def __init__(self, google: GoogleApi, settings: ServiceSettings) -> None:
        """Store the configuration; send no requests."""
        self._google = google
        self._settings = settings

    async def instances(self, revision: str) -> int:
        """Instances of a revision that run.

        Raises:
            PagemillError: Monitoring does not tell.
        """
        what = f"counting the instances of {revision}"
        series = await self._series(
            what, "container/instance_count", _RECENT, {"resource.labels.revision_name": revision}
        )
        # One for active instances, one for idle ones; the newest point is first.
        return sum(int(each["points"][0]["value"]["int64Value"]) for each in series if each.get("points"))

    async def load(self, revision: str, since: dt.datetime) -> RevisionLoad:
        """The requests of a revision since a moment, as far as they have been counted.

        A sample covers a minute; those that begin before the moment do not count.

        Args:
            revision: Its name.
            since: A point of time in the past.

        Raises:
            PagemillError: Monitoring does not tell.
        """
        what, of = f"counting the requests of {revision}", {"resource.labels.revision_name": revision}
        past = dt.datetime.now(dt.UTC) - since
        counts: Counter[str] = Counter()
        for series in await self._series(what, "request_count", past, of):
            for point in series.get("points", []):
                if dt.datetime.fromisoformat(point["interval"]["startTime"]) >= since:
                    counts[series["metric"]["labels"]["response_code_class"]] += int(point["value"]["int64Value"])
        good = of | {"metric.labels.response_code_class": "2xx"}
        latencies = await self._series(what, "request_latencies", past, good, reducer="REDUCE_PERCENTILE_95")
        slowest = max(_values(latencies, "doubleValue"), default=None)
        return RevisionLoad(
            requests=counts.total(),
            errors=counts["5xx"],
            p95_seconds=None if slowest is None or not counts else float(slowest) / 1000.0,
        )

    async def billed_seconds(self) -> float:
        """Seconds of instances that were billed in the last 24 hours.

        Raises:
            PagemillError: Monitoring does not tell.
        """
        what = f"adding up the billed time of {self._settings.name}"
        series = await self._series(what, "container/billable_instance_time", _DAY, {}, reducer="REDUCE_SUM")
        return sum(float(value) for value in _values(series, "doubleValue"))

    async def _series(
        self,
        what: str,
        metric: str,
        past: dt.timedelta,
        labels: Mapping[str, str],
        *,
        reducer: str = "",
    ) -> list[dict[str, Any]]:
        """Time series of a metric of the service, up to now; with a reducer, one point for all the time."""
        where, past = self._settings, max(past, _SHORTEST)
        wanted = {"resource.labels.service_name": where.name, "resource.labels.location": where.region, **labels}
        conditions = "".join(f' AND {name} = "{value}"' for name, value in wanted.items())
        now = dt.datetime.now(dt.UTC)
        query = {
            "filter": f'metric.type = "run.googleapis.com/{metric}"{conditions}',
            "interval.startTime": _written(now - past),
            "interval.endTime": _written(now),
        }
        if reducer:
            query |= {
                "aggregation.alignmentPeriod": f"{past.total_seconds():.0f}s",
                "aggregation.perSeriesAligner": "ALIGN_DELTA",
                "aggregation.crossSeriesReducer": reducer,
            }
        host = where.monitoring_emulator_host
        root = f"http://{host}" if host else "https://monitoring.googleapis.com"
        found = await self._google.read_json(what, f"{root}/v3/projects/{where.project}/timeSeries", query)
        return list(found.get("timeSeries", []))


def _values(series: Iterable[Mapping[str, Any]], kind: str) -> list[Any]:
    return [point["value"][kind] for each in series for point in each.get("points", []) if kind in point["value"]]


def _written(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
