"""What RKNN-Toolkit2 takes: chips with their precisions, operators, and shapes.

Operators were tried one by one: a network of Relu and the operator, built in float16 for RK3588 with 2.5.0,
run in the simulator beside onnxruntime, and read from the compiler's table, which says NPU or CPU. LSTM and
GRU are taken from Rockchip's list of operators (doc/RKNNToolKit2_OP_Support of airockchip/rknn-toolkit2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.core.dtypes import is_float
from deploykit.core.errors import Fault
from deploykit.core.names import did_you_mean
from deploykit.toolchains.protocol import Capabilities, OperatorSupport
from deploykit.toolchains.static_shapes import shape_faults

SCHEMES: tuple[Scheme, ...] = ("w8a8", "float16", "w8a16")
WITH_W4: tuple[Scheme, ...] = (*SCHEMES, "w4a16")
INTEGERS: tuple[Scheme, ...] = ("w8a8", "w8a16")

CHIPS: dict[str, tuple[Scheme, ...]] = {
    "rk3588": SCHEMES,
    "rk3576": WITH_W4,
    "rk3568": SCHEMES,
    "rk3566": SCHEMES,
    "rk3562": SCHEMES,
    "rk2118": SCHEMES,
    "rv1126b": WITH_W4,
    "rv1106": INTEGERS,
    "rv1103": INTEGERS,
}
"""Tried with 2.5.0: float16 is refused by the RV1103 and RV1106, w4a16 by all but two; its w8a16 (RK3562
only) ends the compiler, so w8a16 is built with 16-bit weights."""

# fmt: off
NPU = (
    "Abs", "Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "Conv", "ConvTranspose",
    "CumSum", "DepthToSpace", "Div", "Dropout", "Einsum", "Elu", "Expand", "Flatten", "Gather", "Gemm",
    "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity",
    "InstanceNormalization", "LeakyRelu", "LpNormalization", "MatMul", "Max", "MaxPool", "Mul", "Neg",
    "PRelu", "Pad", "Pow", "ReduceL2", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Resize",
    "Sigmoid", "Slice", "Softmax", "Softplus", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh",
    "ThresholdedRelu", "Tile", "Transpose", "Unsqueeze", "Where",
)
# fmt: on

# fmt: off
CPU = (
    "Acos", "Acosh", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "Cast", "Ceil",
    "Celu", "Cos", "Cosh", "Equal", "Erf", "Exp", "Floor", "GatherElements", "GatherND", "Greater",
    "GreaterOrEqual", "GridSample", "LRN", "Less", "LessOrEqual", "Log", "LogSoftmax", "LpPool", "Mean",
    "MeanVarianceNormalization", "Min", "Mish", "Mod", "Not", "Or", "Reciprocal", "ReduceL1",
    "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSumSquare",
    "RoiAlign", "Round", "ScatterElements", "ScatterND", "Selu", "Sign", "Sin", "Sinh", "Softsign",
    "SpaceToDepth", "Tan", "TopK", "Trilu", "Xor",
)
# fmt: on

LISTED = ("GRU", "LSTM")

CONSTANT = ("Constant", "ConstantOfShape", "Range", "Shape", "Size")
"""Folded before the compiler sees them, where shapes are static."""

WRONG = {"ThresholdedRelu": "its results are wrong (the threshold is taken for 0)"}

REFUSED = {
    "LayerNormalization": "the toolkit ends with a KeyError",
    "NonZero": "its result has no static shape",
}

REWRITTEN = ("LayerNormalization",)
"""Refused operators that the export step can write in others."""

INTEGER_INPUTS = ("int32", "int64")

LAST_OPSET = 19


def capabilities() -> Capabilities:
    """Give chips and operators."""
    operators = [
        *(OperatorSupport(op) for op in NPU if op not in WRONG),
        *(OperatorSupport(op, ("on the chip's CPU",), on_cpu=True) for op in CPU),
        *(OperatorSupport(op, ("listed by Rockchip, not tried",)) for op in LISTED),
        *(OperatorSupport(op, ("constant only",)) for op in CONSTANT),
    ]
    per_layer: dict[str, tuple[Scheme, ...]] = {
        chip: ("w8a16",) if schemes == INTEGERS else ("float16", "w8a16") for chip, schemes in CHIPS.items()
    }
    source = "built and simulated one by one with RKNN-Toolkit2 2.5.0 for RK3588"
    return Capabilities(CHIPS, per_layer, tuple(operators), source)


def check_segment(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Give every reason why the toolkit would refuse a segment."""
    if chip not in CHIPS:
        hint = did_you_mean(chip, CHIPS)
        return (Fault("compile.chip", f"rknn has no chip {chip!r}{hint}", "`deploykit toolchain list`"),)
    where = f"segment {segment.name!r}"
    return (*_shapes(segment, where), *_operators(segment, where), *_schemes(segment, chip, schemes, where))


def _shapes(segment: Segment, where: str) -> Iterator[Fault]:
    yield from shape_faults(segment, "rknn")
    for name in segment.graph.inputs:
        tensor = segment.graph.tensor[name]
        if not is_float(tensor.dtype) and tensor.dtype not in INTEGER_INPUTS:
            fix = f"rknn takes float, {' and '.join(INTEGER_INPUTS)}: cut behind it"
            yield Fault(where, f"input {name!r} is {tensor.dtype}", fix)
    if segment.graph.opset > LAST_OPSET:
        what = f"opset {segment.graph.opset}, the toolkit reads up to {LAST_OPSET}"
        yield Fault(where, what, f"`export.opset: {LAST_OPSET}`")


def _operators(segment: Segment, where: str) -> Iterator[Fault]:
    taken = {*NPU, *CPU, *LISTED, *CONSTANT} - WRONG.keys()
    for node in segment.graph.nodes:
        if node.op in taken and node.domain in ("", "ai.onnx"):
            continue
        reason = REFUSED.get(node.op) or WRONG.get(node.op) or "rknn has no such operator"
        fix = "leave it to the CPU (`split.toolchain: rknn`)"
        if node.op in REWRITTEN:
            fix += f", or write it in others (`export.rewrite: [{node.op}]`)"
        yield Fault(f"{where}, node {node.name or node.id!r} ({node.op})", reason, fix)


def _schemes(segment: Segment, chip: str, schemes: Mapping[str, Scheme], where: str) -> Iterator[Fault]:
    offered = CHIPS[chip]
    computing = [node for node in segment.graph.nodes if _is_real(segment, node)]
    used = {schemes.get(node.id, "float32") for node in computing}
    integers = {scheme for scheme in used if is_integer(scheme)}
    for scheme in sorted(integers - set(offered)):
        nodes = [node for node in computing if schemes.get(node.id) == scheme]
        what = f"{chip} has no {scheme}: {_names(nodes)}"
        yield Fault(where, what, f"rknn offers there: {', '.join(offered)}")
    if "w4a16" in integers and len(integers) > 1:
        yield Fault(where, f"w4a16 cannot stand beside {', '.join(sorted(integers - {'w4a16'}))}", "use one")
    if not integers and "float16" not in offered and computing:
        yield Fault(where, f"{chip} computes on integers only", f"rknn offers there: {', '.join(offered)}")


def _is_real(segment: Segment, node: NodeInfo) -> bool:
    known = segment.graph.tensor
    return any(name in known and is_float(known[name].dtype) for name in node.outputs)


def _names(nodes: list[NodeInfo]) -> str:
    return ", ".join(node.name or node.id for node in nodes)
