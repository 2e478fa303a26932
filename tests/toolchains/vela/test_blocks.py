"""A convolution with long strides over blocks is the same sum."""

from __future__ import annotations

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from deploykit.toolchains.vela.operators.blocks import blocked_weight
from deploykit.toolchains.vela.operators.windows import Window
from deploykit.toolchains.vela.program import Array


def convolved(image: Array, weight: Array, stride: int) -> Array:
    """Convolve [height, width, in] with [out, height, width, in], without pads."""
    out, tall, wide, _ = weight.shape
    rows = (image.shape[0] - tall) // stride + 1
    columns = (image.shape[1] - wide) // stride + 1
    found = numpy.zeros((rows, columns, out), numpy.int64)
    for row in range(rows):
        for column in range(columns):
            part = image[row * stride :, column * stride :][:tall, :wide]
            found[row, column] = (weight * part).sum((1, 2, 3))
    return found


@settings(max_examples=30, deadline=None)
@given(kernel=st.integers(1, 9), stride=st.integers(2, 5), results=st.integers(1, 3), seed=st.integers(0, 99))
def test_blocks_give_the_same_sums(kernel: int, stride: int, results: int, seed: int) -> None:
    random = numpy.random.default_rng(seed)
    blocks = results + -(-kernel // stride) - 1
    image = random.integers(-9, 9, (blocks * stride, blocks * stride, 2))
    weight = random.integers(-9, 9, (3, kernel, kernel, 2))
    size = (results - 1) * stride + kernel
    window = Window(
        (kernel, kernel), (stride, stride), (1, 1), (0, 0), (0, 0), (size, size), (results, results)
    )
    moved = image.reshape(blocks, stride, blocks, stride * 2).transpose(0, 2, 1, 3)
    blocked = convolved(moved.reshape(blocks, blocks, -1), blocked_weight(weight, window), 1)
    assert (blocked == convolved(image, weight, stride)[:results, :results]).all()
