"""What float16 would do to a node's values: what overflows, what becomes 0, which operators need float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray
from onnx import NodeProto, helper

Array: TypeAlias = NDArray[Any]

LARGEST = 65504.0
SMALLEST_NORMAL = 2.0**-14
"""Below it float16 loses bits, one for each halving; below 2^-25, rounding gives 0."""

LONGEST_SUM = 2048
"""Adding 1 to 2048 in float16 changes nothing: longer sums stand still."""

LARGEST_EXPONENT = 8.0
"""exp(x) is wrong by |x| * 2^-11 where x was rounded to float16: 0.4 % at 8."""

MASK = -1e30
"""Constants below this say "never": the lowest float32, -1e38 and -inf are all in use."""


@dataclass(frozen=True)
class Values:
    """What is known of a segment's tensors: ranges that were seen, static shapes, constants."""

    ranges: Mapping[str, tuple[float, float]]
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, Callable[[], Array]]

    def range_of(self, name: str) -> tuple[float, float] | None:
        """Give the lowest and the highest value of a tensor, if known."""
        if name in self.constants:
            values = self.constants[name]()
            return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        return self.ranges.get(name)

    def peak(self, name: str) -> float | None:
        """Give the largest magnitude of a tensor, if known."""
        known = self.range_of(name)
        return None if known is None else max(abs(known[0]), abs(known[1]))


def constant_fault(name: str, values: Array, *, may_mask: bool) -> str:
    """Say why a constant's reader needs float32; "" where it does not.

    Masks may be cut to -65504 where `may_mask`.
    """
    magnitudes = numpy.abs(values[values != 0])
    too_large = values[numpy.abs(values) > LARGEST]
    if too_large.size and not (may_mask and bool((too_large < MASK).all())):
        return f"constant {name!r} reaches {_worst(too_large):.3g}, float16 ends at 65504"
    if magnitudes.size and float(magnitudes.max()) < 2.0**-25:
        return f"constant {name!r} of at most {float(magnitudes.max()):.3g} becomes 0 in float16"
    return ""


def range_fault(name: str, values: Values, *, masked: bool) -> str:
    """Say why a tensor cannot be float16; "" where it can, or where nothing was seen of it."""
    known = values.ranges.get(name)
    if known is None:
        return ""
    low, high = known
    if masked and low < MASK:
        low = -LARGEST
    peak = max(abs(low), abs(high))
    if not peak <= LARGEST:  # also where it is no number
        return f"tensor {name!r} reaches {low if abs(low) >= abs(high) else high:.3g}, float16 ends at 65504"
    if 0 < peak < SMALLEST_NORMAL:
        return f"tensor {name!r} stays below {peak:.3g}, where float16 loses bits (6.1e-05)"
    return ""


def operator_fault(node: NodeProto, values: Values) -> str:
    """Say why an operator needs float32 for what it computes inside; "" where float16 is safe.

    Sums are safe where all values together stay in range and are few; unknown is not safe.
    """
    check = CHECKS.get(node.op_type)
    return check(node, values) if check else ""


def _sum_fault(node: NodeProto, values: Values, power: int = 1) -> str:
    peak, count = values.peak(node.input[0]), _summed(node, values)
    if peak is None or count is None:
        return f"{node.op_type} sums values whose range or number is not known"
    if count > LONGEST_SUM or count * peak**power > LARGEST:
        return f"{node.op_type} sums {count} values of up to {peak**power:.3g}"
    return ""


def _square_fault(node: NodeProto, values: Values) -> str:
    return _sum_fault(node, values, power=2)


def _softmax_fault(node: NodeProto, values: Values) -> str:
    known, count = values.range_of(node.input[0]), _summed(node, values)
    if known is None or count is None:
        return f"{node.op_type} sums values whose range or number is not known"
    if known[0] < -LARGEST / 2 or known[1] > LARGEST / 2:
        return f"{node.op_type} reads values from {known[0]:.3g} to {known[1]:.3g}: masked, or near the end"
    return f"{node.op_type} sums {count} values" if count > LONGEST_SUM else ""


def _exp_fault(node: NodeProto, values: Values) -> str:
    peak = values.peak(node.input[0])
    if peak is None or peak > LARGEST_EXPONENT:
        seen = "is not known" if peak is None else f"reaches {peak:.3g}"
        return f"the exponent {seen}; up to {LARGEST_EXPONENT:g}, rounding it costs at most 0.4 %"
    return ""


def _pow_fault(node: NodeProto, values: Values) -> str:
    known = all(name in values.ranges for name in node.output) and values.peak(node.input[0]) is not None
    return "" if known else "Pow's range is not known"


def _small_fault(node: NodeProto, values: Values) -> str:
    """Judge what must not come near 0: the divisor of Div and Reciprocal, the input of Log."""
    name = node.input[1 if node.op_type == "Div" else 0]
    known = values.range_of(name)
    if known is None or not (known[0] >= SMALLEST_NORMAL or known[1] <= -SMALLEST_NORMAL):
        seen = "of unknown range" if known is None else f"from {known[0]:.3g} to {known[1]:.3g}"
        return f"{node.op_type} of {name!r} {seen}: what comes near 0 becomes 0"
    return ""


CHECKS: dict[str, Callable[[NodeProto, Values], str]] = {
    **dict.fromkeys(
        ("CumSum", "GlobalAveragePool", "ReduceL1", "ReduceLogSum", "ReduceMean", "ReduceSum"), _sum_fault
    ),
    **dict.fromkeys(
        (
            "GroupNormalization",
            "InstanceNormalization",
            "LayerNormalization",
            "LpNormalization",
            "MeanVarianceNormalization",
            "RMSNormalization",
            "ReduceL2",
            "ReduceSumSquare",
        ),
        _square_fault,
    ),
    **dict.fromkeys(("LogSoftmax", "ReduceLogSumExp", "Softmax"), _softmax_fault),
    "Exp": _exp_fault,
    **dict.fromkeys(("Div", "Reciprocal", "Log"), _small_fault),
    "Pow": _pow_fault,
}
"""Operators that may need float32 although what they read and write fits into float16."""


def _summed(node: NodeProto, values: Values) -> int | None:
    """Give how many values are added up for one result, or at most so many; None where it is not known."""
    shape = values.shapes.get(node.input[0])
    if shape is None:
        return None
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type in ("Softmax", "LogSoftmax"):
        return shape[attributes.get("axis", -1)] if shape else 1
    if node.op_type in ("LayerNormalization", "RMSNormalization"):
        return math.prod(shape[attributes.get("axis", -1) :])
    result = values.shapes.get(node.output[0])
    if node.op_type.startswith(("Reduce", "Global")):
        return None if result is None else math.prod(shape) // max(math.prod(result), 1)
    return math.prod(shape[1:])


def _worst(values: Array) -> float:
    return float(values[numpy.abs(values).argmax()])
