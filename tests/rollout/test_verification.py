from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from pagemill.domain.pages.model import Transcript
from pagemill.domain.service.canary import CanaryPage
from pagemill.errors import (
    DeploymentFailed,
    EndpointNotFound,
    EndpointRefusesUs,
    EndpointUnavailable,
    PagemillError,
    UsageError,
    WrongModel,
)
from pagemill.rollout.preflight import require
from pagemill.rollout.verification import AcceptanceCriteria, Verification, VerificationResult

_PAGES = [CanaryPage("one", b"1", "the text of the first page"), CanaryPage("two", b"2", "what the second page says")]
_TRUTHS = {page.png: page.truth for page in _PAGES}


@dataclass
class FakeService:
    """A service in memory, with what a verification calls."""

    url: str = "https://candidate.example"
    without_token: list[int] = field(default_factory=lambda: [403])  # statuses; the last one stays
    public: list[tuple[str, str]] = field(default_factory=list)
    probes: list[PagemillError] = field(default_factory=list)  # what the next probes raise
    reads: Exception | None = None
    made_private: int = 0

    async def status_without_token(self) -> int:
        return self.without_token.pop(0) if len(self.without_token) > 1 else self.without_token[0]

    async def public_bindings(self) -> list[tuple[str, str]]:
        return self.public

    async def make_private(self) -> None:
        self.made_private += 1

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


_CRITERIA = AcceptanceCriteria(health_seconds=5.0, grant_seconds=5.0, in_flight=8, page_seconds=5.0, word_f1=0.8)


async def _verified(
    service: FakeService, criteria: AcceptanceCriteria = _CRITERIA, lines: list[str] | None = None
) -> VerificationResult:
    verification = Verification(
        service,
        public_bindings=service.public_bindings,
        make_private=service.make_private,
        criteria=criteria,
        announce=(lines if lines is not None else []).append,
    )
    return await verification.verify(_PAGES)


async def test_a_service_that_refuses_unauthenticated_callers_and_reads_the_pages_passes() -> None:
    proof = await _verified(FakeService())

    assert [result.word_f1 for result in proof.results] == [1.0, 1.0]


@pytest.mark.parametrize("status", [200, 204])
async def test_a_public_service_is_made_private_before_any_other_check(status: int) -> None:
    service = FakeService(without_token=[status, 403])

    with pytest.raises(DeploymentFailed, match=r"was public .*; it is private again"):
        await _verified(service)

    assert service.made_private == 1


async def test_a_new_url_that_answers_404_at_first_is_not_called_public() -> None:
    service = FakeService(without_token=[404, 404, 403])

    await _verified(service)

    assert service.made_private == 0


async def test_a_revocation_that_has_not_taken_effect_yet_is_waited_for_before_anything_is_called_still_public() -> (
    None
):
    lines: list[str] = []

    with pytest.raises(DeploymentFailed, match="it is private again"):
        await _verified(FakeService(without_token=[200, 200, 200, 403]), lines=lines)

    assert [line for line in lines if "public access is revoked" in line and "2 to 7 minutes" in line]


async def test_a_service_that_cannot_be_made_private_is_reported_as_still_public() -> None:
    with pytest.raises(DeploymentFailed, match=r"STILL PUBLIC 0 s after the change.*--delete"):
        await _verified(FakeService(without_token=[200]), replace(_CRITERIA, grant_seconds=0.1))


async def test_an_answer_after_a_revocation_that_shows_nothing_is_not_called_public_nor_private() -> None:
    with pytest.raises(DeploymentFailed, match=r"private again is not known: it answers 503"):
        await _verified(FakeService(without_token=[200, 503]), replace(_CRITERIA, grant_seconds=0.1))


async def test_a_public_binding_is_revoked_even_if_it_has_no_effect_yet() -> None:
    service = FakeService(public=[("roles/run.invoker", "allUsers")])

    with pytest.raises(DeploymentFailed, match=r"allUsers has roles/run\.invoker"):
        await _verified(service)

    assert service.made_private == 1


@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
async def test_an_answer_that_does_not_show_whether_the_service_is_private_fails_the_verification(status: int) -> None:
    service = FakeService(without_token=[status])

    with pytest.raises(DeploymentFailed, match="does not show whether it refuses unauthenticated callers"):
        await _verified(service, replace(_CRITERIA, settle_seconds=0.1))

    assert service.made_private == 0


async def test_a_service_with_internal_ingress_answers_404_from_outside_the_vpc() -> None:
    await _verified(FakeService(without_token=[404]), replace(_CRITERIA, internal=True))


async def test_a_grant_that_has_not_taken_effect_yet_is_waited_for() -> None:
    lines: list[str] = []

    await _verified(FakeService(probes=[EndpointRefusesUs("403"), EndpointUnavailable("503")]), lines=lines)

    assert [line for line in lines if "our token is refused" in line and "2 to 7 minutes" in line]


async def test_the_time_for_health_begins_when_our_token_is_accepted() -> None:
    criteria = replace(_CRITERIA, health_seconds=0.1, grant_seconds=60.0)

    await _verified(FakeService(probes=[EndpointRefusesUs("403")]), criteria)  # the pause is longer than 0.1 s


async def test_a_refusal_that_lasts_is_an_error_with_the_fix() -> None:
    with pytest.raises(DeploymentFailed, match="refuses our token: let me in"):
        await _verified(FakeService(probes=[EndpointRefusesUs("let me in")]), replace(_CRITERIA, grant_seconds=0.0))


async def test_an_answer_that_no_service_gives_is_not_called_a_refusal() -> None:
    with pytest.raises(DeploymentFailed, match="cannot be verified: /health answered 302"):
        await _verified(FakeService(probes=[UsageError("/health answered 302")]))


async def test_an_address_that_is_not_known_yet_is_waited_for() -> None:
    await _verified(FakeService(probes=[EndpointNotFound("404"), EndpointNotFound("no such host")]))


async def test_health_that_never_succeeds_is_an_error_with_the_last_answer() -> None:
    service = FakeService(probes=[EndpointUnavailable("503 loading the weights")] * 10_000)

    with pytest.raises(DeploymentFailed, match=r"/health did not succeed within 0 s: 503 loading the weights"):
        await _verified(service, replace(_CRITERIA, health_seconds=0.3))


async def test_another_model_is_an_error_at_once() -> None:
    with pytest.raises(DeploymentFailed, match="serves x"):
        await _verified(FakeService(probes=[WrongModel("it serves x; set PAGEMILL_MODEL")]))


async def test_a_first_page_that_is_not_answered_is_an_error() -> None:
    with pytest.raises(DeploymentFailed, match="does not read one: gone"):
        await _verified(FakeService(reads=EndpointUnavailable("gone")))


async def test_all_problems_of_a_project_are_reported_together_and_each_once() -> None:
    async def two() -> Sequence[str]:
        return ["no bucket", "no account"]

    async def fails() -> Sequence[str]:
        raise EndpointUnavailable("no account")

    async def other() -> Sequence[str]:
        raise EndpointUnavailable("no quota")

    with pytest.raises(PagemillError) as error:
        await require([two, fails, other])

    assert str(error.value).splitlines()[1:] == ["  1. no bucket", "  2. no account", "  3. no quota"]
