from __future__ import annotations

from dataclasses import replace

from pagemill.domain.service.cost import service_cost, usd_per_second
from pagemill.domain.service.plan import Change, ServiceState, TrafficShare, changes, is_current, public_bindings

_STATE = ServiceState(
    url="https://lightonocr.example",
    etag="1",
    fields={"cpu": "8"},
    traffic=(TrafficShare("r3", 100),),
    latest_created="r3",
    latest_ready="r3",
    verified=("r3", "r2", "r1"),
)


def test_changes_list_added_removed_and_changed_fields() -> None:
    found = changes({"same": "1", "other": "1", "gone": "1"}, {"same": "1", "other": "2", "new": "1"})

    assert found == [Change("gone", "1", ""), Change("new", "", "1"), Change("other", "1", "2")]


def test_a_revision_is_current_only_if_it_is_verified_the_newest_and_as_desired() -> None:
    assert is_current(_STATE, {"cpu": "8"})
    assert not is_current(_STATE, {"cpu": "4"})
    assert not is_current(replace(_STATE, verified=("r2",)), {"cpu": "8"})
    assert not is_current(replace(_STATE, latest_created="r4"), {"cpu": "8"})
    assert not is_current(replace(_STATE, traffic=(TrafficShare("r3", 50), TrafficShare("r2", 50))), {"cpu": "8"})
    assert not is_current(None, {"cpu": "8"})


def test_the_fallback_is_the_verified_revision_before_the_one_that_serves() -> None:
    assert _STATE.fallback == "r2"
    assert replace(_STATE, traffic=(TrafficShare("r2", 100),)).fallback == "r1"
    assert replace(_STATE, traffic=(TrafficShare("r1", 100),)).fallback == ""
    assert replace(_STATE, traffic=(TrafficShare("by hand", 100),)).fallback == "r3"


def test_a_chosen_revision_must_have_been_verified_and_not_serve_already() -> None:
    serving_r2 = replace(_STATE, traffic=(TrafficShare("r2", 100),))

    assert [serving_r2.way_back(name) for name in ("", "r1", "r3", "r2", "r9")] == ["r1", "r1", "r3", "", ""]


def test_the_newest_verified_revision_comes_first_and_is_listed_once() -> None:
    assert _STATE.verified_with("r4") == ("r4", "r3", "r2", "r1")
    assert _STATE.verified_with("r1") == ("r3", "r2", "r1")


def test_only_bindings_for_everybody_are_public() -> None:
    bindings = [
        ("roles/run.invoker", ["user:a@example.com", "allUsers"]),
        ("roles/run.invoker", ["user:b@example.com"]),
        ("roles/run.viewer", ["allAuthenticatedUsers"]),
    ]

    assert public_bindings(bindings) == [
        ("roles/run.invoker", "allUsers"),
        ("roles/run.viewer", "allAuthenticatedUsers"),
    ]


def test_the_service_of_the_specification_costs_142_an_hour_busy_and_idle_only_what_is_stored() -> None:
    price = usd_per_second(cpu=8, memory_gib=32, zonal_redundancy=False)
    cost = service_cost(price, min_instances=0, max_instances=3, in_flight=8)

    assert round(cost.busy_hour, 3) == 1.421
    assert round(cost.all_busy_hour, 2) == 4.26
    assert [round(usd, 3) for usd in cost.idle_tail] == [0.237, 0.355]  # ten to fifteen minutes
    assert [round(usd, 2) for usd in cost.verification] == [0.31, 0.45]  # a start, eight pages, idle time
    assert round(cost.idle_month, 2) == 3.0  # the image and the build cache
    assert round(cost.thousand_pages, 2) == 0.82
    assert service_cost(price, min_instances=1, max_instances=3, in_flight=8).idle_month > 1000.0


def test_a_deployment_says_what_is_paid_beside_the_pages() -> None:
    price = usd_per_second(cpu=8, memory_gib=32, zonal_redundancy=False)
    lines = dict(service_cost(price, min_instances=0, max_instances=3, in_flight=8).lines())

    assert lines["a build of the image, 10 (stored cache) to 30 min"] == "$0.64 to $1.92"
    assert lines["each verification: a start, eight pages, idle time"] == "$0.31 to $0.45"
    assert lines["idle time after each batch, 10 to 15 min"] == "$0.24 to $0.36"
    assert lines["idle, a month: stored image, build cache, minimum number of instances"] == "$3.00"


def test_gpus_in_a_second_zone_cost_more() -> None:
    assert round(3600 * usd_per_second(cpu=8, memory_gib=32, zonal_redundancy=True), 3) == 1.796
