"""What QNN's HTP takes: architectures, precisions, operators, and what has to be done before.

Operators: docs/execution-providers/QNN-ExecutionProvider.md of microsoft/onnxruntime at 019bde6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.errors import Fault
from deploykit.core.names import did_you_mean
from deploykit.toolchains.protocol import Capabilities, OperatorSupport

SCHEMES: tuple[Scheme, ...] = ("w8a8", "w8a16", "float16")

CHIPS: dict[str, str] = {f"htp-v{arch}": str(arch) for arch in (68, 73, 75, 79, 81)}
"""Hexagon's architectures by the name that users write."""

OPTIONS = ("soc_model", "htp_graph_finalization_optimization_mode", "vtcm_mb")

# fmt: off
OPERATORS = (
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Asin", "Atan", "AveragePool", "Cast", "Clip", "Concat",
    "Conv", "ConvTranspose", "Cos", "DepthToSpace", "Div", "Elu", "Equal", "Exp", "Expand", "Flatten",
    "Floor", "Gather", "Gelu", "Gemm", "GlobalAveragePool", "Greater", "GreaterOrEqual", "GridSample",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LRN", "LayerNormalization",
    "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "MatMul", "Max",
    "MaxPool", "Min", "Mul", "Neg", "Not", "Or", "PRelu", "Pad", "Pow", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Resize", "Round", "Sigmoid", "Sign",
    "Sin", "Slice", "Softmax", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Tile",
    "TopK", "Transpose", "Unsqueeze", "Where",
)
# fmt: on

FREE = frozenset({"Constant", "QuantizeLinear", "DequantizeLinear"})


def capabilities() -> Capabilities:
    """Give architectures and operators."""
    chips = dict.fromkeys(CHIPS, SCHEMES)
    operators = tuple(OperatorSupport(op) for op in OPERATORS)
    return Capabilities(chips, chips, operators, "onnxruntime's documentation of the QNN execution provider")


def check_segment(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Give every reason why a segment would not run on the HTP as a whole."""
    if chip not in CHIPS:
        what = f"qnn has no chip {chip!r}{did_you_mean(chip, CHIPS)}"
        return (Fault("compile.chip", what, "`deploykit toolchain list`"),)
    return (*_shapes(segment), *_nodes(segment, schemes))


def provider_options(options: Mapping[str, str]) -> dict[str, str]:
    """Give the provider's options among the user's; `faults` come from `option_faults`."""
    return {name: value for name, value in options.items() if name in OPTIONS}


def option_faults(options: Mapping[str, str]) -> tuple[Fault, ...]:
    """Name options that the adapter does not hand on."""
    return tuple(
        Fault("compile.options", f"qnn has no option {name!r}{did_you_mean(name, OPTIONS)}")
        for name in options
        if name not in OPTIONS
    )


def _shapes(segment: Segment) -> Iterator[Fault]:
    for tensor in segment.graph.tensors:
        if tensor.shape is None or not all(isinstance(size, int) for size in tensor.shape):
            shown = "unknown" if tensor.shape is None else list(tensor.shape)
            fix = "HTP needs static shapes: bind the sizes under `export.shapes`"
            yield Fault(f"segment {segment.name!r}", f"the shape of {tensor.name!r} is {shown}", fix)


def _nodes(segment: Segment, schemes: Mapping[str, Scheme]) -> Iterator[Fault]:
    for node in segment.graph.nodes:
        where = f"segment {segment.name!r}, node {node.name or node.id!r}"
        if node.op in FREE:
            continue
        if node.op == "BatchNormalization":
            what = "the BatchNormalization is not folded: in integers it costs the HTP accuracy"
            yield Fault(where, what, "fold it into the convolution before (`export: {simplify: true}`)")
        elif node.op not in OPERATORS or node.domain not in ("", "ai.onnx"):
            yield Fault(where, f"HTP has no {node.op}", "leave it to the CPU (`split`)")
        elif _scheme(node, schemes) not in SCHEMES:
            fix = f"plan one of {', '.join(SCHEMES)}, or leave it to the CPU"
            yield Fault(where, f"{node.op} is planned in {_scheme(node, schemes)}", fix)


def _scheme(node: NodeInfo, schemes: Mapping[str, Scheme]) -> Scheme:
    return schemes.get(node.id, "float32")
