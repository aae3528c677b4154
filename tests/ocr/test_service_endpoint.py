"""A URL of the service without a token: only the status of the answer is of interest."""

from __future__ import annotations

import pytest

from pagemill.ocr.service_endpoint import HttpsServiceEndpoint
from tests.fakes.ocr_endpoint import FakeEndpoint, failing, without_end


@pytest.mark.parametrize("status", [200, 302, 403, 404])
async def test_the_status_without_a_token_is_that_of_the_answer(status: int) -> None:
    async with (
        FakeEndpoint(probe_fault=lambda _: failing(status, Location="https://b.example")) as endpoint,
        HttpsServiceEndpoint(endpoint.url, audience=endpoint.url, model="m") as service,
    ):
        assert await service.status_without_token() == status


async def test_an_answer_without_an_end_has_a_status_too() -> None:
    endless = without_end(b"HTTP/1.1 403 Forbidden\r\n\r\n", b"x" * 65536)
    async with (
        FakeEndpoint(probe_fault=lambda _: endless) as endpoint,
        HttpsServiceEndpoint(endpoint.url, audience=endpoint.url, model="m") as service,
    ):
        assert await service.status_without_token() == 403
