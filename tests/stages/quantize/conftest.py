"""A network that several tests quantize."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploykit.artifacts.model import Partition
from tests.stages.quantize.test_narrow import noise

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

BACKBONE = """g (float[1,3,16,16] x) => (float[1,4,16,16] y)
{
    stem = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
    swish = HardSwish (stem)
    deep = Conv <group = 8, pads = [1, 1, 1, 1]> (swish, w2, b2)
    relu = Relu (deep)
    sum = Add (relu, swish)
    up = ConvTranspose <strides = [2, 2]> (sum, w3, b3)
    small = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (up)
    joined = Concat <axis = 1> (small, sum)
    score = Conv (joined, w4, b4)
    y = Sigmoid (score)
}"""


@pytest.fixture
def backbone(bench: Bench) -> Partition:
    """Give a net of the blocks that detectors are made of."""
    weights = {
        "w1": noise(8, 3, 3, 3, scale=0.3),
        "b1": noise(8, scale=0.3),
        "w2": noise(8, 1, 3, 3, scale=0.3),
        "b2": noise(8, scale=0.3),
        "w3": noise(8, 5, 2, 2, scale=0.3),
        "b3": noise(5, scale=0.3),
        "w4": noise(4, 13, 1, 1, scale=0.3),
        "b4": noise(4, scale=0.3),
    }
    return bench.whole(bench.model(BACKBONE, **weights))
