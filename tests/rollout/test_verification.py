from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from pagemill.domain.pages.model import Transcript
from pagemill.domain.service.canary import CanaryPage
from pagemill.errors import DeploymentFailed, EndpointRefusesUs, EndpointUnavailable, PagemillError, WrongModel
from pagemill.rollout.preflight import require
from pagemill.rollout.verification import Demands, Proof, Verification

_PAGES = [CanaryPage("one", b"1", "the text of the first page"), CanaryPage("two", b"2", "what the second page says")]
_TRUTHS = {page.png: page.truth for page in _PAGES}


@dataclass
class Place:
    """A service in memory, as far as a verification looks at it."""

    url: str = "https://candidate.example"
    strangers: list[int] = field(default_factory=lambda: [403])  # statuses; the last one stays
    public: list[tuple[str, str]] = field(default_factory=list)
    probes: list[PagemillError] = field(default_factory=list)  # what the next probes raise
    reads: Exception | None = None
    closed: int = 0

    async def status_without_token(self) -> int:
        return self.strangers.pop(0) if len(self.strangers) > 1 else self.strangers[0]

    async def uninvited(self) -> list[tuple[str, str]]:
        return self.public

    async def close(self) -> None:
        self.closed += 1

    async def probe(self) -> None:
        if self.probes:
            raise self.probes.pop(0)

    async def first_token_seconds(self, png: bytes) -> float:
        if self.reads:
            raise self.reads
        return float(bool(png))

    async def read(self, png: bytes, *, max_tokens: int) -> Transcript:
        assert max_tokens
        return Transcript(_TRUTHS[png], "stop", 1, 1, 0.1)


_DEMANDS = Demands(health_seconds=5.0, grant_seconds=5.0, in_flight=8, page_seconds=5.0, word_f1=0.8)


async def _proven(place: Place, demands: Demands = _DEMANDS) -> Proof:
    verification = Verification(
        place, uninvited=place.uninvited, close=place.close, demands=demands, announce=lambda _: None
    )
    return await verification.prove(_PAGES)


async def test_a_service_that_refuses_strangers_and_reads_well_passes() -> None:
    proof = await _proven(Place())

    assert [result.word_f1 for result in proof.results] == [1.0, 1.0]


@pytest.mark.parametrize("status", [200, 204, 404])
async def test_a_door_that_lets_strangers_in_is_closed_before_anything_else(status: int) -> None:
    place = Place(strangers=[status, 403])

    with pytest.raises(DeploymentFailed, match=r"was open to everybody .*; it was closed"):
        await _proven(place)

    assert place.closed == 1


async def test_a_door_that_cannot_be_closed_is_said_to_stand_open() -> None:
    with pytest.raises(DeploymentFailed, match=r"STILL OPEN.*--delete"):
        await _proven(Place(strangers=[200]))


async def test_a_binding_for_everybody_is_taken_away_even_if_it_does_not_count_yet() -> None:
    place = Place(public=[("roles/run.invoker", "allUsers")])

    with pytest.raises(DeploymentFailed, match=r"allUsers has roles/run\.invoker"):
        await _proven(place)

    assert place.closed == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_answer_that_tells_nothing_about_strangers_is_no_proof(status: int) -> None:
    place = Place(strangers=[status])

    with pytest.raises(DeploymentFailed, match="nobody can tell"):
        await _proven(place)

    assert place.closed == 0


async def test_a_service_for_the_vpc_alone_is_not_to_be_found_from_outside() -> None:
    await _proven(Place(strangers=[404]), replace(_DEMANDS, internal=True))


async def test_an_invitation_that_is_not_known_everywhere_yet_is_waited_for() -> None:
    await _proven(Place(probes=[EndpointRefusesUs("403"), EndpointUnavailable("503")]))


async def test_a_refusal_that_stays_is_an_error_with_the_cure() -> None:
    with pytest.raises(DeploymentFailed, match="does not let us in: let me in"):
        await _proven(Place(probes=[EndpointRefusesUs("let me in")]), replace(_DEMANDS, grant_seconds=0.0))


async def test_health_that_is_never_well_is_an_error_with_the_last_answer() -> None:
    place = Place(probes=[EndpointUnavailable("503 loading the weights")] * 10_000)

    with pytest.raises(DeploymentFailed, match=r"/health is not well within 0 s: 503 loading the weights"):
        await _proven(place, replace(_DEMANDS, health_seconds=0.3))


async def test_another_model_is_an_error_at_once() -> None:
    with pytest.raises(DeploymentFailed, match="serves x"):
        await _proven(Place(probes=[WrongModel("it serves x; set PAGEMILL_MODEL")]))


async def test_a_first_page_that_is_not_answered_is_an_error() -> None:
    with pytest.raises(DeploymentFailed, match="does not read one: gone"):
        await _proven(Place(reads=EndpointUnavailable("gone")))


async def test_all_that_is_wrong_with_a_project_is_said_at_once_and_each_thing_once() -> None:
    async def two() -> Sequence[str]:
        return ["no bucket", "no account"]

    async def fails() -> Sequence[str]:
        raise EndpointUnavailable("no account")

    async def other() -> Sequence[str]:
        raise EndpointUnavailable("no quota")

    with pytest.raises(PagemillError) as error:
        await require([two, fails, other])

    assert str(error.value).splitlines()[1:] == ["  1. no bucket", "  2. no account", "  3. no quota"]
