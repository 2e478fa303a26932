"""Rewritten operators give what onnxruntime's own give, within 1e-5 of the largest value."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper, parser

from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.rewrites import REWRITES, rewritten
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.runtime import open_session, run_session


def model_of(text: str, weights: dict[str, Any]) -> OnnxModel:
    proto = parser.parse_model(text)
    for name, values in weights.items():
        proto.graph.initializer.append(numpy_helper.from_array(values, name))
    model = OnnxModel(proto, "net")
    infer_shapes(model)
    return model


def outputs(model: OnnxModel, x: Any) -> Any:
    return run_session(open_session(model.proto.SerializeToString()), {"x": x})[0]


def proved(model: OnnxModel, x: Any) -> set[str]:
    """Rewrite all, compare, and give the operators that stand there now."""
    changed, kept = rewritten(model, tuple(REWRITES))
    assert kept == ()
    before, after = outputs(model, x), outputs(changed, x)
    assert before.shape == after.shape
    assert numpy.abs(after - before).max() <= 1e-5 * max(1.0, float(numpy.abs(before).max()))
    return {node.op_type for node in changed.proto.graph.node}


def normal(seed: int, *shape: int) -> Any:
    return numpy.random.default_rng(seed).normal(size=shape).astype(numpy.float32)


def grid_model(grid: Any, attributes: str, n: int = 2) -> OnnxModel:
    rows, columns = grid.shape[1:3]
    return model_of(
        f"""<ir_version: 8, opset_import: ["" : 17]> g (float[{n},3,6,8] x) => (float[{n},3,{rows},{columns}] y)
        {{ y = GridSample<{attributes}>(x, grid) }}""",
        {"grid": grid},
    )


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    mode=st.sampled_from(["bilinear", "nearest"]),
    padding=st.sampled_from(["zeros", "border"]),
    align=st.integers(0, 1),
    spread=st.sampled_from([0.5, 1.0, 2.0]),  # at 2 many places lie outside
)
def test_a_constant_grid_is_gathered(seed: int, mode: str, padding: str, align: int, spread: float) -> None:
    grid = numpy.repeat(normal(seed, 1, 4, 5, 2) * numpy.float32(spread), 2, axis=0)
    text = f'mode="{mode}", padding_mode="{padding}", align_corners={align}'
    found = proved(grid_model(grid, text), normal(seed + 1, 2, 3, 6, 8))
    assert "GridSample" not in found
    assert found <= {"Reshape", "Gather", "Mul", "Add"}


def test_the_corners_of_the_grid_are_exact() -> None:
    grid = numpy.array([[[[-1, -1], [1, 1], [0, 0]]]], numpy.float32)
    x = numpy.arange(48, dtype=numpy.float32).reshape(1, 1, 6, 8).repeat(3, axis=1)
    changed, _ = rewritten(grid_model(grid, "align_corners=1", n=1), ("GridSample",))
    assert outputs(changed, x)[0, 0, 0].tolist() == [0.0, 47.0, 23.5]


def test_what_cannot_be_gathered_stays_with_the_reason() -> None:
    uneven = normal(0, 2, 4, 5, 2)
    _, kept = rewritten(grid_model(uneven, "align_corners=0"), ("GridSample",))
    assert "its grid differs from image to image" in kept[0]
    even = numpy.repeat(normal(0, 1, 4, 5, 2), 2, axis=0)
    _, kept = rewritten(grid_model(even, 'padding_mode="reflection"'), ("GridSample",))
    assert "padding 'reflection' has no rule" in kept[0]
    model = model_of(
        """<ir_version: 8, opset_import: ["" : 17]> g (float[1,2,4,4] x) => (float[1,2,4,2] y)
        { grid = Transpose<perm=[0,2,3,1]>(x) y = GridSample(x, grid) }""",
        {},
    )
    _, kept = rewritten(model, ("GridSample",))
    assert "its grid is computed" in kept[0]


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize(("axis", "bias"), [(-1, True), (1, False), (2, True)])
def test_layer_normalization_is_written_out(opset: int, axis: int, bias: bool) -> None:
    shape = {-1: (5,), 1: (3, 4, 5), 2: (4, 5)}[axis]
    weights = {"s": normal(1, *shape)} | ({"b": normal(2, *shape)} if bias else {})
    model = model_of(
        f"""<ir_version: 8, opset_import: ["" : {opset}]> g (float[2,3,4,5] x) => (float[2,3,4,5] y)
        {{ y = LayerNormalization<axis={axis}, epsilon=0.001>(x, s{", b" if bias else ""}) }}""",
        weights,
    )
    assert "LayerNormalization" not in proved(model, normal(3, 2, 3, 4, 5) * 4 + 2)


def test_hard_swish_is_written_out() -> None:
    model = model_of(
        """<ir_version: 8, opset_import: ["" : 17]> g (float[2,7] x) => (float[2,7] y) { y = HardSwish(x) }""",
        {},
    )
    assert proved(model, normal(4, 2, 7) * 5) == {"HardSigmoid", "Mul"}
