"""Mean and deviation are exact, whatever the machine can do."""

from __future__ import annotations

from collections.abc import Iterator

import numkong
import numpy as np
import pytest

from lib.image.moments import mean_and_deviation, moments

WHITE = np.full((4096, 4096), 255, np.uint8)


@pytest.fixture(params=["as it is", "AVX2", "no SIMD"])
def machine(request: pytest.FixtureRequest) -> Iterator[None]:
    """Instruction sets taken away from numkong: those of AVX-512, then all."""
    here = [name for name, on in numkong.get_capabilities().items() if on and name not in ("serial", "haswell")]
    taken = {"as it is": [], "AVX2": here, "no SIMD": [*here, "haswell"]}[request.param]
    for name in taken:
        numkong.disable_capability(name)
    yield
    for name in taken:
        numkong.enable_capability(name)


@pytest.mark.usefixtures("machine")
def test_sums_of_the_largest_white_picture_do_not_overflow() -> None:
    assert moments(WHITE) == (4_278_190_080, 1_090_938_470_400)
    assert mean_and_deviation(WHITE) == (255.0, 0.0)


@pytest.mark.usefixtures("machine")
def test_half_black_half_white_is_as_far_from_its_mean_as_can_be() -> None:
    assert mean_and_deviation(np.array([[0, 255, 255], [255, 0, 0]], np.uint8)) == (127.5, 127.5)
