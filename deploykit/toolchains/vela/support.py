"""What Vela and the writer take: operators with their limits, precisions, shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.core.dtypes import is_float
from deploykit.core.errors import Fault
from deploykit.toolchains.protocol import Capabilities, OperatorSupport
from deploykit.toolchains.vela.chips import CHIPS, chip_fault

SCHEMES: tuple[Scheme, ...] = ("w8a8", "w8a16")
PER_LAYER: tuple[Scheme, ...] = (*SCHEMES, "float32")
"""Layers in float stay in the compiled network, as operators of the CPU."""

INTEGER_ONLY = frozenset({"HardSigmoid"})
"""Operators that TensorFlow Lite has in no other form than ours."""

Rule: TypeAlias = Callable[[NodeInfo, GraphInfo], bool]
"""Whether a node keeps to a limit; the docstring is the limit as the user reads it."""


def maps(node: NodeInfo, graph: GraphInfo) -> bool:
    """Tensors have four axes (batch, channels, height, width)."""
    return len(_shape(graph, node.inputs[0])) == 4


def constant_weight(node: NodeInfo, graph: GraphInfo) -> bool:
    """The weight is a constant."""
    return graph.tensor[node.inputs[1]].is_weight


def one_group(node: NodeInfo, graph: GraphInfo) -> bool:
    """There is one group."""
    del graph
    return node.attribute("group", 1) == 1


def plain_transposed(node: NodeInfo, graph: GraphInfo) -> bool:
    """Strides are 1 or 2, dilations 1, and results are input x stride, or that + kernel - stride."""
    strides = _numbers(node, "strides", 2, 1)
    sizes, results = _shape(graph, node.inputs[0])[2:], _shape(graph, node.outputs[0])[2:]
    kernel = _shape(graph, node.inputs[1])[2:]
    same = all(size * step == result for size, step, result in zip(sizes, strides, results, strict=True))
    full = all(
        (size - 1) * step + span == result
        for size, step, result, span in zip(sizes, strides, results, kernel, strict=True)
    )
    pads = _numbers(node, "pads", 4, 0)
    excess = [span - step for span, step in zip(kernel, strides, strict=True)]
    even = all(pads[axis] == max(excess[axis], 0) // 2 for axis in (0, 1))
    plain = set(_numbers(node, "dilations", 2, 1)) == {1} and max(strides) <= 2
    return plain and ((same and even) or (full and not any(pads)))


def plain_product(node: NodeInfo, graph: GraphInfo) -> bool:
    """alpha and beta are 1, and the first matrix is not transposed."""
    del graph
    return node.attribute("alpha", 1.0) == node.attribute("beta", 1.0) == 1.0 and not node.attribute(
        "transA", 0
    )


def constant_divisor(node: NodeInfo, graph: GraphInfo) -> bool:
    """The divisor is a constant."""
    return graph.tensor[node.inputs[1]].is_weight


def constant_bounds(node: NodeInfo, graph: GraphInfo) -> bool:
    """Bounds are constants."""
    return all(graph.tensor[name].is_weight for name in node.inputs[1:] if name)


def constant_rest(node: NodeInfo, graph: GraphInfo) -> bool:
    """All inputs but the first are constants."""
    return all(graph.tensor[name].is_weight for name in node.inputs[1:] if name)


def known_resize(node: NodeInfo, graph: GraphInfo) -> bool:
    """Height and width alone, "nearest" by whole factors, or "linear" by 2, 4 or 8 (half pixels: by 2)."""
    before, after = _shape(graph, node.inputs[0]), _shape(graph, node.outputs[0])
    if (
        len(before) != 4
        or before[:2] != after[:2]
        or any(new % old for new, old in zip(after, before, strict=True))
    ):
        return False
    factors = {new // old for new, old in zip(after[2:], before[2:], strict=True)}
    rule = str(node.attribute("coordinate_transformation_mode", "half_pixel"))
    mode = str(node.attribute("mode", "nearest"))
    if len(factors) != 1 or rule == "tf_crop_and_resize":
        return False
    (factor,) = factors
    if mode == "nearest":
        return rule in ("asymmetric", "half_pixel", "pytorch_half_pixel") and _floors(node, rule)
    return mode == "linear" and factor in ((1, 2) if "half_pixel" in rule else (1, 2, 4, 8))


def _floors(node: NodeInfo, rule: str) -> bool:
    """By a whole factor f, pixel i comes from i // f under these rules."""
    rounding = str(node.attribute("nearest_mode", "round_prefer_floor"))
    return (
        rounding == "floor"
        if rule == "asymmetric"
        else rounding in ("round_prefer_floor", "round_prefer_ceil")
    )


def plain_pool(node: NodeInfo, graph: GraphInfo) -> bool:
    """Dilations are 1, there is one output, and an average with pads counts them, or is padded as SAME."""
    if len(_shape(graph, node.inputs[0])) != 4 or len([name for name in node.outputs if name]) > 1:
        return False
    plain = set(_numbers(node, "dilations", 2, 1)) == {1}
    padded = any(_numbers(node, "pads", 4, 0)) or str(node.attribute("auto_pad", "NOTSET")) not in (
        "NOTSET",
        "VALID",
    )
    ceiled = bool(node.attribute("ceil_mode", 0))
    if node.op == "MaxPool":
        return plain
    return plain and not ceiled and (not padded or bool(node.attribute("count_include_pad", 0)))


def constant_product(node: NodeInfo, graph: GraphInfo) -> bool:
    """Matrices have equal batch axes, or the second is a constant of two axes."""
    first, second = _shape(graph, node.inputs[0]), _shape(graph, node.inputs[1])
    if graph.tensor[node.inputs[0]].is_weight:
        return False
    return (graph.tensor[node.inputs[1]].is_weight and len(second) == 2) or first[:-2] == second[:-2]


def last_axis(node: NodeInfo, graph: GraphInfo) -> bool:
    """It runs over the last axis, or over the channels of an image."""
    rank = len(_shape(graph, node.inputs[0]))
    axis = node.attribute("axis", -1)
    return isinstance(axis, int) and axis % rank in ((rank - 1, 1) if rank == 4 else (rank - 1,))


def slope_of_channels(node: NodeInfo, graph: GraphInfo) -> bool:
    """The slope is a constant for each channel."""
    slope = _shape(graph, node.inputs[1])
    return graph.tensor[node.inputs[1]].is_weight and all(size == 1 for size in slope[1:])


def known_pad(node: NodeInfo, graph: GraphInfo) -> bool:
    """It pads every axis by constants, with a constant or by reflection, and cuts nothing."""
    widths = node.attribute("pads", ())
    if len(node.inputs) > 1:
        widths = graph.tensor[node.inputs[1]].constant or ()
    whole = (
        isinstance(widths, tuple)
        and bool(widths)
        and all(not isinstance(pad, str) and pad >= 0 for pad in widths)
    )
    whole = whole and len(node.inputs) < 4
    return whole and str(node.attribute("mode", "constant")) in ("constant", "reflect")


def forward(node: NodeInfo, graph: GraphInfo) -> bool:
    """Starts, ends, axes and steps are constants, and steps are positive."""
    if len(node.inputs) > 4 and node.inputs[4]:
        steps = graph.tensor[node.inputs[4]].constant or (0,)
        return constant_rest(node, graph) and min(steps) > 0
    return constant_rest(node, graph)


def tiled(node: NodeInfo, graph: GraphInfo) -> bool:
    """Repeats are constants."""
    return constant_rest(node, graph)


RULES: dict[str, tuple[Rule, ...]] = {
    "Abs": (),
    "Add": (),
    "AveragePool": (plain_pool,),
    "Clip": (constant_bounds,),
    "Concat": (),
    "Conv": (maps, constant_weight),
    "ConvTranspose": (maps, constant_weight, one_group, plain_transposed),
    "Div": (constant_divisor,),
    "Dropout": (),
    "Elu": (),
    "Expand": (tiled,),
    "Flatten": (),
    "Gather": (constant_rest,),
    "Gelu": (),
    "Gemm": (constant_weight, plain_product),
    "GlobalAveragePool": (),
    "GlobalMaxPool": (maps,),
    "HardSigmoid": (),
    "HardSwish": (),
    "Identity": (),
    "LeakyRelu": (),
    "MatMul": (constant_product,),
    "Max": (),
    "MaxPool": (plain_pool,),
    "Min": (),
    "Mul": (),
    "Neg": (),
    "PRelu": (slope_of_channels,),
    "Pad": (known_pad,),
    "ReduceMean": (constant_rest,),
    "Relu": (),
    "Reshape": (constant_rest,),
    "Resize": (known_resize,),
    "Sigmoid": (),
    "Slice": (forward,),
    "Softmax": (last_axis,),
    "Split": (constant_rest,),
    "Squeeze": (constant_rest,),
    "Sub": (),
    "Tanh": (),
    "Tile": (tiled,),
    "Transpose": (),
    "Unsqueeze": (constant_rest,),
}
"""The operators that the writer has and Vela puts on the NPU, with their limits."""

FREE = frozenset({"Constant", "QuantizeLinear", "DequantizeLinear"})


def capabilities() -> Capabilities:
    """Give chips and operators."""
    operators = tuple(
        OperatorSupport(op, tuple((rule.__doc__ or "").splitlines()[0] for rule in rules))
        for op, rules in RULES.items()
    )
    chips, layers = dict.fromkeys(CHIPS, SCHEMES), dict.fromkeys(CHIPS, PER_LAYER)
    source = "written as TensorFlow Lite and compiled one by one with ethos-u-vela 5.2.0"
    return Capabilities(chips, layers, operators, source)


def check_segment(segment: Segment, *, chip: str, schemes: Mapping[str, Scheme]) -> tuple[Fault, ...]:
    """Give every reason why a segment cannot run on the NPU as a whole."""
    missing = chip_fault(chip)
    if missing:
        return (missing,)
    return (*_shapes(segment), *_nodes(segment, schemes))


def _shapes(segment: Segment) -> Iterator[Fault]:
    for tensor in segment.graph.tensors:
        if tensor.shape is None or not all(isinstance(size, int) for size in tensor.shape):
            shown = "unknown" if tensor.shape is None else list(tensor.shape)
            where = f"segment {segment.name!r}"
            fix = "vela needs static shapes: bind the sizes under `export.shapes`"
            yield Fault(where, f"the shape of {tensor.name!r} is {shown}", fix)
    for name in segment.graph.inputs:
        if not is_float(segment.graph.tensor[name].dtype):
            what = f"input {name!r} is {segment.graph.tensor[name].dtype}"
            yield Fault(
                f"segment {segment.name!r}", what, "cut behind it: the NPU takes float inputs as codes"
            )


def _nodes(segment: Segment, schemes: Mapping[str, Scheme]) -> Iterator[Fault]:
    for node in segment.graph.nodes:
        where = f"segment {segment.name!r}, node {node.name or node.id!r}"
        if node.op in FREE:
            continue
        if node.op not in RULES or node.domain not in ("", "ai.onnx"):
            yield Fault(where, f"vela has no {node.op}", "leave it to the CPU (`split`)")
            continue
        scheme = schemes.get(node.id, "float32")
        if scheme not in PER_LAYER or (scheme == "float32" and node.op in INTEGER_ONLY):
            fix = f"plan one of {', '.join(SCHEMES)}, or leave it to the CPU (`split`)"
            yield Fault(where, f"{node.op} is planned in {scheme}", fix)
            continue
        for rule in RULES[node.op]:
            if not rule(node, segment.graph):
                limit = (rule.__doc__ or "").splitlines()[0]
                yield Fault(
                    where, f"{node.op} does not keep to a limit: {limit}", "leave it to the CPU (`split`)"
                )


def _static(node: NodeInfo, graph: GraphInfo) -> bool:
    names = [name for name in (*node.inputs, *node.outputs) if name]
    return all(name in graph.tensor and graph.tensor[name].shape is not None for name in names)


def _shape(graph: GraphInfo, name: str) -> tuple[int, ...]:
    return tuple(size for size in graph.tensor[name].shape or () if isinstance(size, int))


def _numbers(node: NodeInfo, name: str, count: int, default: int) -> tuple[int, ...]:
    found = node.attribute(name, (default,) * count)
    return tuple(int(value) for value in found) if isinstance(found, tuple) else (default,) * count
