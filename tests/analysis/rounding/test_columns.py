"""A layer's inputs as columns: times the weights they give the layer's outputs."""

from __future__ import annotations

import numpy
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
import pytest
from onnx import helper, numpy_helper

from deploykit.analysis.rounding.columns import Window, conv_columns, row_columns, same_pads


@pytest.mark.parametrize(
    ("groups", "strides", "dilations", "pads"),
    [(1, (1, 1), (1, 1), (0, 0, 0, 0)), (2, (2, 1), (1, 2), (1, 2, 0, 1)), (4, (1, 3), (2, 1), (1, 1, 1, 1))],
)
def test_columns_times_weights_are_the_convolution(
    groups: int, strides: tuple[int, int], dilations: tuple[int, int], pads: tuple[int, int, int, int]
) -> None:
    random = numpy.random.default_rng(0)
    values = random.standard_normal((2, 4, 9, 8)).astype(numpy.float32)
    weights = random.standard_normal((8, 4 // groups, 3, 2)).astype(numpy.float32)
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], group=groups, strides=strides, dilations=dilations, pads=pads
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", 1, values.shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (wanted,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": values})
    window = Window((3, 2), strides, dilations, ((pads[0], pads[2]), (pads[1], pads[3])))
    columns = conv_columns(values, window, groups=groups, limit=10**6, random=random)
    found = columns @ weights.reshape(groups, 8 // groups, -1).swapaxes(1, 2)
    # [groups, positions, rows] -> [N, out, ...]
    shaped = found.transpose(0, 2, 1).reshape(8, 2, *wanted.shape[2:]).swapaxes(0, 1)
    assert shaped == pytest.approx(wanted, abs=1e-5)


def test_a_limit_draws_that_many_positions_without_repeats() -> None:
    values = numpy.arange(100.0).reshape(1, 1, 10, 10)
    window = Window((1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)))
    drawn = conv_columns(values, window, groups=1, limit=7, random=numpy.random.default_rng(3))
    assert drawn.shape == (1, 7, 1)
    assert len(numpy.unique(drawn)) == 7


def test_rows_of_a_product() -> None:
    values = numpy.arange(24.0).reshape(2, 3, 4)
    assert row_columns(values, limit=99, random=numpy.random.default_rng(0)).shape == (1, 6, 4)


def test_same_pads_put_the_odd_one_last_or_first() -> None:
    assert same_pads([6], [3], [2], upper=True) == [(0, 1)]  # 3 outputs reach over (3 - 1) * 2 + 3 = 7
    assert same_pads([6], [3], [2], upper=False) == [(1, 0)]
