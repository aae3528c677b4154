"""The parameters of a watcher. The Prefect UI makes its form from this model."""

from __future__ import annotations

from pydantic import BaseModel

from pagemill.wiring.forms import form_field


class WatchParameters(BaseModel, frozen=True, extra="forbid"):
    """Watch uploads to a bucket."""

    subscription: str = form_field(
        "",
        position=0,
        title="Subscription",
        description="Pub/Sub subscription of the bucket's notifications; empty: PAGEMILL_WATCH_SUBSCRIPTION",
    )
    destination: str = form_field(
        "",
        position=1,
        title="Destination",
        description="gs://bucket/prefix or a folder for results and lists; empty: PAGEMILL_WATCH_DESTINATION",
    )
    minutes: int = form_field(
        0,
        position=2,
        ge=0,
        le=10_080,
        title="Minutes",
        description="How long to watch; 0: until it is stopped",
    )
