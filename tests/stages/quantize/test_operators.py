"""Every int8 operator loads and runs in onnxruntime, with its integer kernels and without."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy
import onnxruntime  # type: ignore[import-untyped]  # it ships no types
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper

from deploykit.analysis.integer_operators import INTEGER_OPERATORS, weight_axis
from deploykit.artifacts.model import Partition
from deploykit.stages.precision import PrecisionParams, SchemeException, plan_precision
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.tasks.protocol import Clip

if TYPE_CHECKING:
    from tests.stages.conftest import Bench

Array: TypeAlias = NDArray[Any]


def floats(*shape: int) -> Array:
    seed = sum(size * 31**at for at, size in enumerate(shape))
    return (numpy.random.default_rng(seed).standard_normal(shape) * 0.3).astype(numpy.float32)


def integers(*values: int) -> Array:
    return numpy.array(values, numpy.int64)


def number(value: float) -> Array:
    return numpy.array(value, numpy.float32)


M, TWO = ("m",), ("m", "n")  # one activation of shape 1 x 8 x 6 x 10, and two
HALF = integers(0, 0, 1, 1, 0, 0, 1, 1)
CASES: dict[str, tuple[tuple[str, ...], dict[str, Any], tuple[Array, ...]]] = {
    "Add": (TWO, {}, ()),
    "Add constant": (M, {}, (floats(1, 8, 1, 1),)),
    "AveragePool": (M, {"kernel_shape": [2, 2], "strides": [2, 2]}, ()),
    "Clip": (M, {}, (number(0.0), number(0.5))),
    "Concat": (TWO, {"axis": 1}, ()),
    "Concat constant": (TWO, {"axis": 1}, (floats(1, 8, 6, 10),)),
    "Conv": (M, {}, (floats(4, 8, 3, 3), floats(4))),
    "Conv depthwise": (M, {"group": 8}, (floats(8, 1, 3, 3), floats(8))),
    "Conv grouped": (M, {"group": 2, "pads": [1] * 4, "strides": [2, 2]}, (floats(6, 4, 3, 3),)),
    "ConvTranspose": (M, {"strides": [2, 2]}, (floats(8, 5, 2, 2), floats(5))),
    "ConvTranspose grouped": (M, {"group": 2}, (floats(8, 3, 2, 2), floats(6))),
    "ConvTranspose depthwise": (M, {"group": 8}, (floats(8, 1, 2, 2), floats(8))),
    "ConvTranspose depthwise, two each": (M, {"group": 8}, (floats(8, 2, 2, 2), floats(16))),
    "DepthToSpace": (M, {"blocksize": 2}, ()),
    "Div": (M, {}, (number(3.0),)),
    "Elu": (M, {}, ()),
    "Erf": (M, {}, ()),
    "Expand": (M, {}, (integers(2, 8, 6, 10),)),
    "Flatten": (M, {}, ()),
    "Gather": (M, {"axis": 1}, (integers(0, 3, 1),)),
    "Gelu": (M, {}, ()),
    "Gemm": (("flat",), {}, (floats(480, 7), floats(7))),
    "Gemm transposed": (("flat",), {"transB": 1}, (floats(7, 480), floats(7))),
    "Gemm scaled": (("flat",), {"alpha": 0.5, "beta": 2.0}, (floats(480, 7), floats(7))),
    "Gemm with a row": (("flat",), {}, (floats(480, 7), floats(1, 7))),
    "GlobalAveragePool": (M, {}, ()),
    "GlobalMaxPool": (M, {}, ()),
    "HardSigmoid": (M, {}, ()),
    "HardSwish": (M, {}, ()),
    "Identity": (M, {}, ()),
    "LeakyRelu": (M, {"alpha": 0.1}, ()),
    "MatMul": (M, {}, (floats(10, 7),)),
    "MatMul stacked": (M, {}, (floats(1, 8, 10, 7),)),
    "MatMul of activations": (("m", "turned"), {}, ()),
    "MatMul vector": (M, {}, (floats(10),)),
    "Max": (TWO, {}, ()),
    "MaxPool": (M, {"kernel_shape": [2, 2]}, ()),
    "Min": (TWO, {}, ()),
    "Mul": (TWO, {}, ()),
    "Mul constant": (M, {}, (number(0.5),)),
    "PRelu": (M, {}, (floats(8, 1, 1),)),
    "Pad": (M, {}, (HALF,)),
    "Pad edge": (M, {"mode": "edge"}, (HALF,)),
    "Pad value": (M, {}, (HALF, number(0.2))),
    "ReduceMean": (M, {}, (integers(2, 3),)),
    "Relu": (M, {}, ()),
    "Reshape": (M, {}, (integers(1, -1),)),
    "Resize": (("m", ""), {"mode": "nearest"}, (numpy.array([1, 1, 2, 2], numpy.float32),)),
    "Resize linear": (("m", ""), {"mode": "linear"}, (numpy.array([1, 1, 2, 2], numpy.float32),)),
    "Resize cubic": (("m", ""), {"mode": "cubic"}, (numpy.array([1, 1, 2, 2], numpy.float32),)),
    "Sigmoid": (M, {}, ()),
    "Slice": (M, {}, (integers(1), integers(5), integers(1))),
    "Softmax": (M, {"axis": 1}, ()),
    "SpaceToDepth": (M, {"blocksize": 2}, ()),
    "Split": (M, {"axis": 1, "num_outputs": 2}, ()),
    "Squeeze": (M, {}, (integers(0),)),
    "Sub": (TWO, {}, ()),
    "Tanh": (M, {}, ()),
    "Tile": (M, {}, (integers(1, 1, 2, 1),)),
    "Transpose": (M, {"perm": [0, 2, 3, 1]}, ()),
    "Unsqueeze": (M, {}, (integers(0),)),
}


def model_of(case: str, follower: str) -> ModelProto:
    """Put the operator between a Conv and a follower; its output leaves the network unless that is Relu."""
    inputs, attributes, constants = CASES[case]
    op = case.split()[0]
    outputs = ["o", "o2"] if op == "Split" else ["o"]
    names = [f"k{at}" for at in range(len(constants))]
    nodes: list[NodeProto] = [
        helper.make_node("Conv", ["x", "w", "b"], ["m"], pads=[1] * 4),
        helper.make_node("Conv", ["x", "v"], ["n"], pads=[1] * 4),
        helper.make_node("Flatten", ["m"], ["flat"]),
        helper.make_node("Transpose", ["n"], ["turned"], perm=[0, 1, 3, 2]),
        helper.make_node(op, [*inputs, *names], outputs, **attributes),
        helper.make_node(follower, ["o"], ["y"]),
    ]
    kept = ["y", *outputs[1:], *([] if follower == "Relu" else ["o"])]
    weights = {"w": floats(8, 3, 3, 3), "b": floats(8), "v": floats(8, 3, 3, 3)[::-1].copy()}
    weights |= dict(zip(names, constants, strict=True))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 3, 6, 10])],
        [helper.make_tensor_value_info(name, 1, None) for name in kept],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(bench: Bench, partition: Partition, frames: list[Array], *, integer_kernels: bool) -> list[Array]:
    """Run in onnxruntime itself; gives all outputs one after the other as one row a frame."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if integer_kernels:
        options.add_session_config_entry("session.x64quantprecision", "1")
    else:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    files = partition.segments[0].files
    session = onnxruntime.InferenceSession(
        str(bench.workspace.folder(files) / files[0].name), options, providers=["CPUExecutionProvider"]
    )
    return [
        numpy.concatenate([part.reshape(-1) for part in session.run(None, {"x": frame})]) for frame in frames
    ]


def ratio_db(signal: list[Array], other: list[Array]) -> float:
    a, b = numpy.array(signal, float), numpy.array(other, float)
    return 10 * math.log10((a**2).sum() / max(float(((a - b) ** 2).sum()), 1e-30))


@pytest.mark.parametrize("case", CASES)
def test_it_runs_in_8_bits(bench: Bench, case: str) -> None:
    frames = [floats(1, 3, 6, 10) * (index + 1) for index in range(4)]
    clip = Clip("clip", tuple({"x": frame} for frame in frames))
    for follower, activation_type in (("Relu", "int8"), ("Sigmoid", "uint8")):
        partition = bench.whole(model_of(case, follower))
        asked = PrecisionParams(exceptions=(SchemeException("o", "w8a8"),))  # a rule keeps Softmax in float
        plan = plan_precision(partition, bench.costs(partition), profile=bench.profile(), params=asked)
        assert plan.scheme_of()["o"] == "w8a8"
        params = QuantizeParams(activation_type="int8" if activation_type == "int8" else "uint8")
        result = quantize(partition, plan, [clip], params=params, workspace=bench.workspace)
        float_values = run(bench, partition, frames, integer_kernels=False)
        exact = ratio_db(float_values, run(bench, result, frames, integer_kernels=False))
        kernels = ratio_db(float_values, run(bench, result, frames, integer_kernels=True))
        assert exact > 24
        assert abs(exact - kernels) < 3


def test_every_operator_is_tried() -> None:
    assert {case.split()[0] for case in CASES} == set(INTEGER_OPERATORS)


@pytest.mark.parametrize(
    ("op", "shape", "group", "trans_b", "axis"),
    [
        ("Conv", (8, 4, 3, 3), 1, 0, 0),
        ("Conv", (8, 1, 3, 3), 8, 0, 0),
        ("ConvTranspose", (3, 5, 2, 2), 1, 0, 1),
        ("ConvTranspose", (8, 3, 2, 2), 2, 0, 1),
        ("ConvTranspose", (8, 1, 2, 2), 8, 0, 0),
        ("Gemm", (480, 7), 1, 0, 1),
        ("Gemm", (7, 480), 1, 1, 0),
        ("MatMul", (10, 7), 1, 0, 1),
        ("MatMul", (4, 10, 7), 1, 0, None),
        ("PRelu", (8, 1, 1), 1, 0, None),
    ],
)
def test_the_axis_of_output_channels(
    op: str, shape: tuple[int, ...], group: int, trans_b: int, axis: int | None
) -> None:
    assert weight_axis(op, shape, group=group, trans_b=trans_b) == axis
