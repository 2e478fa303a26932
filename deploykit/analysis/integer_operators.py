"""Which ONNX operators compute on 8-bit integers, and how each one treats its operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Sharing: TypeAlias = Literal["none", "first", "all"]


@dataclass(frozen=True)
class IntegerOperator:
    """How an operator works on codes.

    `data` lists the inputs that hold codes (empty: all of them); the others (shapes, bounds, axes) stay as
    they are. `weight` and `bias` are inputs of a layer with learned weights. `shares` says which inputs
    have the scale of the output: "first" and "all" only choose or move values, so that another scale would
    round them once more. `output_range` is known without data for a squashing function.
    """

    data: tuple[int, ...] = (0,)
    weight: int | None = None
    bias: int | None = None
    shares: Sharing = "none"
    output_range: tuple[float, float] | None = None


_LAYER = IntegerOperator(data=(0,), weight=1, bias=2)
_ELEMENTWISE = IntegerOperator(data=())
_LOOKUP = IntegerOperator()  # a function of one value: a table of 256 entries
_UNIT = IntegerOperator(output_range=(0.0, 1.0))
_MOVES = IntegerOperator(shares="first")

INTEGER_OPERATORS: dict[str, IntegerOperator] = {
    "Add": _ELEMENTWISE,
    "AveragePool": _MOVES,  # a mean stays inside the range of what it is taken of
    "Clip": _LOOKUP,
    "Concat": IntegerOperator(data=(), shares="all"),
    "Conv": _LAYER,
    "ConvTranspose": _LAYER,
    "DepthToSpace": _MOVES,
    "Div": _ELEMENTWISE,  # by a constant only, as `float_rules` sees to
    "Elu": _LOOKUP,
    "Erf": _LOOKUP,  # in a Gelu that is spelt out
    "Expand": _MOVES,
    "Flatten": _MOVES,
    "Gather": _MOVES,
    "Gelu": _LOOKUP,
    "Gemm": _LAYER,
    "GlobalAveragePool": _LOOKUP,  # a mean over a whole map has a far smaller range than the map
    "GlobalMaxPool": _MOVES,
    "HardSigmoid": _UNIT,
    "HardSwish": _LOOKUP,
    "Identity": _MOVES,
    "LeakyRelu": _LOOKUP,
    "MatMul": IntegerOperator(data=(0, 1)),
    "Max": _ELEMENTWISE,
    "MaxPool": _MOVES,
    "Min": _ELEMENTWISE,
    "Mul": _ELEMENTWISE,
    "PRelu": IntegerOperator(data=(0, 1)),
    "Pad": _MOVES,
    "ReduceMean": _LOOKUP,
    "Relu": _LOOKUP,
    "Reshape": _MOVES,
    "Resize": _MOVES,
    "Sigmoid": _UNIT,
    "Slice": _MOVES,
    "Softmax": _UNIT,
    "SpaceToDepth": _MOVES,
    "Split": _MOVES,
    "Squeeze": _MOVES,
    "Sub": _ELEMENTWISE,
    "Tanh": IntegerOperator(output_range=(-1.0, 1.0)),
    "Tile": _MOVES,
    "Transpose": _MOVES,
    "Unsqueeze": _MOVES,
}
"""Operators with an integer kernel on common NPUs and in onnxruntime's QDQ form. All others stay float."""

ACTIVATIONS = frozenset({"Clip", "Relu"})
"""Bounds that a layer applies before it rounds: what stands before them is never stored."""

FUSES_WITH_ACTIVATION = frozenset({"Add", "Conv", "ConvTranspose", "Gemm", "MatMul", "Mul", "Sub"})

MOVEMENT = frozenset(name for name, operator in INTEGER_OPERATORS.items() if operator.shares != "none") - {
    "AveragePool",
    "MaxPool",
    "GlobalMaxPool",
}
"""Operators that only carry values to another place."""


def weight_axis(op: str, shape: tuple[int, ...], *, group: int = 1, trans_b: int = 0) -> int | None:
    """Give the axis of a weight along which output channels lie; None where one scale has to serve all.

    Conv [out, in/group, ...]: 0. ConvTranspose [in, out/group, ...]: 1, but 0 for a depthwise one, where
    each input channel has output channels of its own. Gemm [in, out]: 1, transposed: 0. MatMul [in, out]:
    1; a stack of matrices gets one scale.
    """
    if op == "Conv":
        return 0
    if op == "ConvTranspose":
        return 0 if group > 1 and shape[0] == group else 1
    if op == "Gemm":
        return 0 if trans_b else 1
    return 1 if op == "MatMul" and len(shape) == 2 else None


def shares_scale(op: str, *, mode: str = "") -> Sharing:
    """Say which inputs share the output's scale; a cubic Resize overshoots, so that it needs its own."""
    operator = INTEGER_OPERATORS.get(op)
    if operator is None or (op == "Resize" and mode == "cubic"):
        return "none"
    return operator.shares
