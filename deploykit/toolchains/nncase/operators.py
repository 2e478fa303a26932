"""What nncase takes for the K230's KPU, and what it would end at.

Operators: those that the strings of 2.11.0's Nncase.Importer.dll name, where kendryte/nncase's
src/Nncase.Importer/Onnx/OnnxImporter.cs switches on them; its docs/onnx_ops.md is shorter. Left out:
QLinearConv, which no network has here, and Einsum, of which it knows few equations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.core.dtypes import is_float
from deploykit.core.errors import Fault
from deploykit.core.names import did_you_mean
from deploykit.toolchains.protocol import Capabilities, OperatorSupport

CHIP = "k230"
SCHEMES: tuple[Scheme, ...] = ("w8a8", "w8a16")
TYPES: dict[Scheme, tuple[str, str]] = {"w8a8": ("uint8", "uint8"), "w8a16": ("int16", "uint8")}
"""nncase's words for activations and weights; it has one pair for a whole compilation."""

# fmt: off
OPERATORS = (
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "AveragePool",
    "BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "Concat", "Constant", "ConstantOfShape",
    "Conv", "ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace", "DequantizeLinear", "Div",
    "Dropout", "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather",
    "GatherElements", "GatherND", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater",
    "GreaterOrEqual", "HardSigmoid", "HardSwish", "Hardmax", "Identity", "InstanceNormalization",
    "LRN", "LSTM", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization",
    "MatMul", "Max", "MaxPool", "Min", "Mod", "Mul", "Neg", "Not", "OneHot", "Or", "PRelu", "Pad",
    "Pow", "QuantizeLinear", "RandomNormal", "RandomNormalLike", "RandomUniform",
    "RandomUniformLike", "Range", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu",
    "Reshape", "Resize", "ReverseSequence", "Round", "ScatterND", "Selu", "Shape", "Sigmoid",
    "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToDepth",
    "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Tile", "TopK", "Transpose", "Trilu",
    "Unsqueeze", "Upsample", "Where",
)
# fmt: on
SOURCE = "the ONNX operators that the importer of nncase 2.11.0 names; not tried one by one"
ENDS = {"GridSample": "the compiler ends with an unhandled .NET exception"}


def capabilities() -> Capabilities:
    """Say what nncase can do; needs nothing installed."""
    operators = tuple(OperatorSupport(op) for op in OPERATORS)
    return Capabilities({CHIP: SCHEMES}, {CHIP: ()}, operators, SOURCE, dumps_layers=False)


def check_segment(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Give every reason why nncase would refuse a segment."""
    if chip != CHIP:
        return (Fault("compile.chip", f"nncase has no chip {chip!r}{did_you_mean(chip, (CHIP,))}", CHIP),)
    where = f"segment {segment.name!r}"
    return (*_inputs(segment, where), *_nodes(segment, where), *_schemes(segment, schemes, where))


def used_schemes(segment: Segment, schemes: Mapping[str, Scheme]) -> tuple[Scheme, ...]:
    """Give the integer schemes of the nodes that compute on real numbers, in alphabetical order."""
    known = segment.graph.tensor
    found = {
        schemes.get(node.id, "float32")
        for node in segment.graph.nodes
        if any(name in known and is_float(known[name].dtype) for name in node.outputs)
    }
    return tuple(sorted(scheme for scheme in found if is_integer(scheme)))


def _inputs(segment: Segment, where: str) -> Iterator[Fault]:
    for name in segment.graph.inputs:
        tensor = segment.graph.tensor[name]
        if tensor.shape is None or not all(isinstance(size, int) for size in tensor.shape):
            shown = "unknown" if tensor.shape is None else list(tensor.shape)
            fix = "nncase needs static shapes here: bind the sizes under `export.shapes`"
            yield Fault(where, f"the shape of input {name!r} is {shown}", fix)
        elif tensor.dtype != "float":
            yield Fault(
                where, f"input {name!r} is {tensor.dtype}", "nncase takes float32 inputs here: cut behind it"
            )


def _nodes(segment: Segment, where: str) -> Iterator[Fault]:
    for node in segment.graph.nodes:
        if node.op in OPERATORS and node.domain in ("", "ai.onnx"):
            continue
        reason = ENDS.get(node.op, "nncase has no such operator")
        yield Fault(f"{where}, node {node.name or node.id!r} ({node.op})", reason, "leave it to the CPU")


def _schemes(segment: Segment, schemes: Mapping[str, Scheme], where: str) -> Iterator[Fault]:
    used = used_schemes(segment, schemes)
    offered = f"nncase offers {', '.join(SCHEMES)}"
    for scheme in used:
        if scheme not in SCHEMES:
            nodes = [node.name or node.id for node in segment.graph.nodes if schemes.get(node.id) == scheme]
            yield Fault(where, f"the KPU has no {scheme} in nncase: {', '.join(nodes)}", offered)
    if len(used) > 1:
        what = f"{' and '.join(used)} stand side by side, nncase has one scheme for a segment"
        yield Fault(where, what, "choose one, or cut between them")
    if not used:
        yield Fault(where, "no layer is in integers, the KPU computes on nothing else", offered)
