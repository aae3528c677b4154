from __future__ import annotations

import pytest

from pagemill.domain.service.gpu_estimate import H100, L4, Gpu, pages_per_second, read_seconds, step_seconds


def test_the_estimate_for_an_h100_agrees_with_the_measurement() -> None:
    """34 ms for the kernels of a page's image and prompt, 2.1 ms for a step of eight sequences: docs/gpu-service.md."""
    assert read_seconds(H100) == pytest.approx(0.034, rel=0.02)
    assert step_seconds(H100, 8) == pytest.approx(0.0021, rel=0.02)


def test_the_estimate_for_an_l4_agrees_with_the_public_figure() -> None:
    uncorrected = Gpu("L4", L4.flops, L4.bandwidth)

    assert pages_per_second(L4, 32, packed=False) == pytest.approx(0.59, rel=0.01)
    assert pages_per_second(uncorrected, 32, packed=False) == pytest.approx(0.75, rel=0.01)


def test_more_in_flight_and_shorter_texts_are_faster_and_stock_is_slower() -> None:
    rates = [pages_per_second(L4, in_flight) for in_flight in (1, 4, 8, 16, 24, 32)]

    assert rates == sorted(rates)
    assert pages_per_second(L4, 8, tokens=300) > pages_per_second(L4, 8) > pages_per_second(L4, 8, tokens=1500)
    assert pages_per_second(L4, 8, packed=False) < pages_per_second(L4, 8)


def test_a_page_cannot_be_faster_than_its_arithmetic_at_the_gpus_peak() -> None:
    assert read_seconds(L4) > 16e12 / L4.flops
    assert step_seconds(L4, 1) > 1.19e9 / L4.bandwidth
