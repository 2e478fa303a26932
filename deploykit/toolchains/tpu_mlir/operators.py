"""What tpu-mlir takes: chips with their schemes, operators, and what it cannot do with a segment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.dtypes import is_float
from deploykit.core.errors import Fault
from deploykit.core.names import did_you_mean
from deploykit.toolchains.protocol import Capabilities, OperatorSupport

FULL: tuple[Scheme, ...] = ("w8a8", "float16", "float32", "w8a16", "w4a16")
CHIPS: dict[str, tuple[Scheme, ...]] = {
    "bm1684": ("w8a8", "float32"),
    "bm1684x": FULL,
    "bm1684x2": FULL,
    "bm1688": FULL,
    "bm1690": FULL,
    "bm1690e": FULL,
    "cv184x": FULL,
    "cv186x": FULL,
    "sgtpuv8": FULL,
}
ABSENT = {
    "sg2380": "its compiler wants a RISC-V compiler that the package does not have",
    "sg2262": "its bmodels end the simulator",
    **dict.fromkeys(
        ("cv180x", "cv181x", "cv182x", "cv183x"),
        "its cvimodels have another runtime, which is not driven here",
    ),
}
SYMMETRIC = ("bm1684",)
"""INT8 has no zero points there."""

NO_CMODEL = ("bm1690", "bm1690e")
"""The runtime for their cmodel does not load in the package of 1.30.2; the interpreter knows them."""

# fmt: off
OPERATORS = (
    "Abs", "Acos", "Add", "And", "ArgMax", "ArgMin", "Atan", "Atanh", "AveragePool",
    "BatchNormalization", "Cast", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Conv",
    "ConvTranspose", "Cos", "CumSum", "DepthToSpace", "Div", "Dropout", "Einsum", "Elu", "Equal",
    "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gemm",
    "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GridSample",
    "GroupNormalization", "GRU", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LRN", "LSTM",
    "MatMul", "Max", "MaxPool", "Min", "Mod", "Mul", "Neg", "Not", "OneHot", "Pad", "Pow", "PRelu",
    "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "Relu", "Reshape", "Resize", "ReverseSequence", "RoiAlign", "Round",
    "ScatterElements", "ScatterND", "Shape", "Sigmoid", "Sign", "Sin", "Slice", "Softmax",
    "Softplus", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK",
    "Transpose", "Trilu", "Unsqueeze", "Upsample", "Where", "Xor",
)
# fmt: on
SOURCE = "the operators that tpu-mlir 1.30.2's converter takes (python/transform/OnnxConverter.py)"
HOST = ("If", "Loop", "Scan", "NonZero", "NonMaxSuppression")
LIMITS = {
    "GridSample": ("float16 or float32; its coordinates too",),
    "Resize": ("scales or sizes constant",),
    "TopK": ("k constant",),
    "Pad": ("pads constant",),
}


def capabilities() -> Capabilities:
    """Say what tpu-mlir can do; needs nothing installed."""
    operators = tuple(OperatorSupport(op, LIMITS.get(op, ())) for op in OPERATORS)
    return Capabilities(chips=CHIPS, per_layer=CHIPS, operators=operators, source=SOURCE)


def check_segment(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Give every reason why tpu-mlir would refuse a segment."""
    if chip not in CHIPS:
        reason = ABSENT.get(chip, f"tpu-mlir has no such chip{did_you_mean(chip, CHIPS)}")
        return (Fault("compile.chip", f"{chip!r}: {reason}", f"one of {', '.join(CHIPS)}"),)
    where = f"segment {segment.name!r}"
    return (*_shapes(segment, where), *_nodes(segment, where), *_schemes(segment, chip, schemes, where))


def _shapes(segment: Segment, where: str) -> Iterator[Fault]:
    for name in segment.graph.inputs:
        tensor = segment.graph.tensor[name]
        if tensor.shape is None or not all(isinstance(size, int) for size in tensor.shape):
            shown = "unknown" if tensor.shape is None else list(tensor.shape)
            fix = "tpu-mlir needs static shapes here: bind the sizes under `export.shapes`"
            yield Fault(where, f"the shape of input {name!r} is {shown}", fix)
        elif not is_float(tensor.dtype):
            yield Fault(
                where, f"input {name!r} is {tensor.dtype}", "tpu-mlir takes float inputs here: cut behind it"
            )
    for name in (*segment.graph.inputs, *segment.graph.outputs):
        if any(letter.isspace() for letter in name):
            yield Fault(where, f"the name {name!r} holds white space", "rename the tensor in the source")


def _nodes(segment: Segment, where: str) -> Iterator[Fault]:
    for node in segment.graph.nodes:
        place = f"{where}, node {node.name or node.id!r} ({node.op})"
        if node.op in HOST:
            yield Fault(
                place,
                "its result has no static shape or its body is chosen at run time",
                "leave it to the CPU",
            )
        elif node.domain not in ("", "ai.onnx"):
            yield Fault(
                place, f"tpu-mlir knows no operators of domain {node.domain!r}", "leave it to the CPU"
            )
        elif node.op not in OPERATORS:
            yield Fault(
                place, "tpu-mlir's converter has no such operator", "leave it to the CPU, or rewrite it"
            )


def _schemes(segment: Segment, chip: str, schemes: Mapping[str, Scheme], where: str) -> Iterator[Fault]:
    lacking: dict[Scheme, list[NodeInfo]] = {}
    for node in segment.graph.nodes:
        scheme = schemes.get(node.id, "float32")
        if scheme not in CHIPS[chip] and _computes(segment, node):
            lacking.setdefault(scheme, []).append(node)
    for scheme, nodes in lacking.items():
        shown = ", ".join(node.name or node.id for node in nodes)
        yield Fault(where, f"{chip} has no {scheme} in tpu-mlir: {shown}", f"it has {', '.join(CHIPS[chip])}")


def _computes(segment: Segment, node: NodeInfo) -> bool:
    known = segment.graph.tensor
    return any(name in known and is_float(known[name].dtype) for name in node.outputs)
