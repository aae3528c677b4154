"""Gradual traffic, with a service and metrics in memory."""

from __future__ import annotations

import datetime as dt
from typing import cast

import pytest

from pagemill.domain.service.load import RevisionLoad, StepCriteria, objection, traffic_steps
from pagemill.domain.service.plan import Candidate, ServiceState, TrafficShare
from pagemill.errors import DeploymentFailed, PagemillError
from pagemill.rollout.shifting import Shifting
from pagemill.service_ports import ServiceHost

_NEW = Candidate("new", "https://candidate.example", 1.0)
_CRITERIA = StepCriteria(seconds=0.0, requests=20, error_percent=5.0, slowdown=2.0)
_GOOD = RevisionLoad(requests=100, errors=1, p95_seconds=4.0)


def _state(*traffic: TrafficShare) -> ServiceState:
    return ServiceState("https://service.example", "1", {}, traffic, "old", "old", ("old",))


_BEFORE = _state(TrafficShare("old", 100))


class _Service:
    """Notes the shares; its revisions have these loads, question after question, the last one stays."""

    def __init__(self, **loads: list[RevisionLoad | PagemillError]) -> None:
        self.shares: list[int] = []
        self.now: ServiceState | None = _BEFORE
        self._loads: dict[str, list[RevisionLoad | PagemillError]] = {"old": [_GOOD], **loads}

    async def state(self) -> ServiceState | None:
        return self.now

    async def shift(self, candidate: Candidate, percent: int, serving: str) -> None:
        assert (candidate, serving) == (_NEW, "old")
        self.shares.append(percent)

    async def load(self, revision: str, since: dt.datetime) -> RevisionLoad:
        assert since <= dt.datetime.now(dt.UTC)
        loads = self._loads.get(revision) or [RevisionLoad()]
        load = loads.pop(0) if len(loads) > 1 else loads[0]
        if isinstance(load, PagemillError):
            raise load
        return load


def _shifting(service: _Service, lines: list[str], *steps: int, seconds: float = 0.0) -> Shifting:
    criteria = StepCriteria(seconds=seconds, requests=20, error_percent=5.0, slowdown=2.0)
    host = cast("ServiceHost", service)
    return Shifting(host, service, steps=steps or (5, 50, 100), criteria=criteria, announce=lines.append)


async def test_a_good_revision_gets_more_requests_step_by_step_and_each_step_says_what_it_proved() -> None:
    service, lines = _Service(new=[_GOOD]), list[str]()
    shifting = _shifting(service, lines)

    await shifting.shift(_NEW, _BEFORE)

    assert service.shares == [5, 50, 100]
    assert lines[0] == ("new with 5 %: proven (100 requests, 1 error, 95 % of the answers within 4.0 s)")
    assert len(shifting.results) == 3


async def test_too_few_requests_prove_nothing_and_the_rollout_goes_on_by_time() -> None:
    service, lines = _Service(new=[RevisionLoad(requests=3, errors=1, p95_seconds=90.0)]), list[str]()

    await _shifting(service, lines).shift(_NEW, _BEFORE)

    assert service.shares == [5, 50, 100]
    assert lines[0].startswith("new with 5 %: not proven, too few requests (3 requests, 1 error")


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (RevisionLoad(requests=100, errors=6), "6 of 100 requests were answered with 5xx"),
        (RevisionLoad(requests=3, errors=3), "3 of 3 requests were answered with 5xx"),
        (RevisionLoad(requests=20, p95_seconds=8.5), "95 % of the answers took up to 8.5 s, before it 4.0 s"),
    ],
    ids=["errors", "nothing but errors", "latency"],
)
async def test_a_worse_revision_ends_the_rollout_at_once_with_the_reason(load: RevisionLoad, said: str) -> None:
    service = _Service(new=[_GOOD, load])

    with pytest.raises(DeploymentFailed, match=said) as failed:
        await _shifting(service, [], 5, 50, seconds=60.0).shift(_NEW, _BEFORE)

    assert service.shares == [5]
    assert str(failed.value).endswith("type: pagemill deploy --logs --revision new")


async def test_the_latency_of_the_old_revision_is_remembered_when_it_gets_no_request_any_more() -> None:
    slow = RevisionLoad(requests=100, p95_seconds=9.0)
    service = _Service(new=[_GOOD, slow], old=[_GOOD, RevisionLoad()])

    with pytest.raises(DeploymentFailed, match=r"with 100 % of the requests at new, .* 9\.0 s, before it 4\.0 s"):
        await _shifting(service, [], 50, 100).shift(_NEW, _BEFORE)


async def test_a_question_that_gets_no_answer_is_asked_again_and_the_last_one_counts() -> None:
    down = DeploymentFailed("counting the requests of new: The service is unavailable.")
    answers, silent = _Service(new=[down, _GOOD]), _Service(new=[down])

    await _shifting(answers, [], 5, seconds=0.1).shift(_NEW, _BEFORE)
    with pytest.raises(DeploymentFailed, match="nobody knows how new does with 5 % of the requests: counting"):
        await _shifting(silent, []).shift(_NEW, _BEFORE)


async def test_without_a_revision_to_compare_with_all_requests_go_at_once_and_that_is_said() -> None:
    service, lines = _Service(), list[str]()

    await _shifting(service, lines).shift(_NEW, None)

    assert service.shares == []
    assert "no revision served before" in lines[0]


async def test_what_prevents_a_gradual_rollout_is_said_before_anything_is_done() -> None:
    refused, shared = _Service(old=[PagemillError("timeSeries.list denied")]), _Service()
    shared.now = _state(TrafficShare("old", 50), TrafficShare("older", 50))

    (problem,) = await _shifting(shared, []).problems()
    with pytest.raises(PagemillError, match="denied"):
        await _shifting(refused, []).problems()

    assert "several share the requests" in problem
    assert await _shifting(_Service(), []).problems() == []


def test_one_error_is_no_reason_and_none_is_known_without_requests() -> None:
    assert not objection(RevisionLoad(requests=1, errors=1), _GOOD, _CRITERIA)
    assert not objection(RevisionLoad(), RevisionLoad(), _CRITERIA)


def test_steps_are_growing_percents() -> None:
    assert traffic_steps("5, 50,100") == (5, 50, 100)
    assert traffic_steps("") == ()
    for wrong in ("0", "5,5", "50,5", "101", "five", "5,,50", "5.5", "1_0", "٣"):
        with pytest.raises(ValueError, match="as in 5,50,100"):
            traffic_steps(wrong)


def test_a_candidate_with_some_requests_is_not_part_of_the_settled_traffic() -> None:
    tried = _state(TrafficShare("old", 95), TrafficShare("new", 5, "candidate"), TrafficShare("other", 0, "mine"))
    alone = _state(TrafficShare("new", 100, "candidate"))

    assert tried.serving == "old"
    assert tried.settled == (TrafficShare("old", 100), TrafficShare("other", 0, "mine"))
    assert (alone.serving, alone.left_behind) == ("new", "new")
