"""The threshold on word F1 lies between the scores of a good server and those of every known fault."""

from __future__ import annotations

import asyncio

import pytest

from pagemill.config.service import ServiceSettings
from pagemill.domain.pages.model import Recipe
from pagemill.domain.service.canary import CanaryPage, CanaryResult, evaluate
from pagemill.ocr.client import OpenAiRecognizer
from tests.fakes.google_cloud import vllm
from tests.fakes.google_cloud.canary_texts import rendered_canaries
from tests.fakes.google_cloud.vllm import Server
from tests.fakes.ocr_endpoint import MODEL, FakeEndpoint, image_name

_THRESHOLD = ServiceSettings.model_fields["canary_word_f1"].default


@pytest.fixture(scope="module")
def pages() -> list[CanaryPage]:
    return rendered_canaries()


async def _results(pages: list[CanaryPage], server: Server) -> list[CanaryResult]:
    texts = {image_name(page.png): page.truth for page in pages}
    async with FakeEndpoint(server.answering(texts)) as endpoint:

        async def here() -> str:
            return endpoint.url

        async with OpenAiRecognizer(here, recipe=Recipe(model=MODEL)) as client:
            await client.probe()
            read = await asyncio.gather(*(client.read(page.png, max_tokens=4096) for page in pages))
    return [
        evaluate(page, transcript, least_word_f1=_THRESHOLD, longest_seconds=60.0)
        for page, transcript in zip(pages, read, strict=True)
    ]


async def test_a_good_server_passes_every_page_with_a_margin(pages: list[CanaryPage]) -> None:
    results = await _results(pages, Server())

    assert [result.objections for result in results] == [()] * len(pages)
    assert min(result.word_f1 for result in results) > _THRESHOLD + 0.1


@pytest.mark.parametrize(
    "reads", [vllm.random_weights, vllm.weaker_model, vllm.empty], ids=lambda reads: reads.__name__
)
async def test_no_page_of_a_bad_server_comes_near_the_threshold(reads: vllm.Reads, pages: list[CanaryPage]) -> None:
    results = await _results(pages, Server(reads=reads))

    assert all(result.objections for result in results)
    assert max(result.word_f1 for result in results) < _THRESHOLD - 0.1


async def test_the_text_of_another_page_does_not_pass(pages: list[CanaryPage]) -> None:
    texts = {image_name(page.png): page.truth for page in pages}
    results = await _results(pages, Server(reads=vllm.another_page(texts)))

    assert max(result.word_f1 for result in results) < _THRESHOLD - 0.1


@pytest.mark.parametrize("reads", [vllm.greedy_loop, vllm.greedy_loop_that_ends], ids=lambda reads: reads.__name__)
async def test_a_loop_is_found_on_every_page_even_after_a_good_beginning(
    reads: vllm.Reads, pages: list[CanaryPage]
) -> None:
    results = await _results(pages, Server(reads=reads))

    assert all(any("a loop" in objection for objection in result.objections) for result in results)
