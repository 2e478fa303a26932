"""Our plan as tpu-mlir's two tables, for the operations that its converter left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from deploykit.toolchains.plan_files.source import SegmentPlan, refuse_names
from deploykit.toolchains.plan_files.tpu_mlir import quantize_mode, range_row
from deploykit.toolchains.tpu_mlir.mlir_text import Operation
from deploykit.toolchains.tpu_mlir.names import Names

INTEGER = ("INT8", "W4INT8")
WEIGHT_ONLY = ("W4F16", "W8F16")


@dataclass(frozen=True)
class Tables:
    """`mode` goes to `model_deploy --quantize`; the texts are its two tables. `has_integers` tells whether
    any operation needs the ranges. `notices` are for the user."""

    mode: str
    modes: str
    ranges: str
    has_integers: bool
    notices: tuple[str, ...]


def write_tables(plan: SegmentPlan, operations: Sequence[Operation]) -> Tables:
    """Give the tables. An integer operation needs a range of its result: without one it runs in F16.

    Raises:
        InputError: a name with white space.
    """
    names = Names(plan.segment.graph)
    present = [name for operation in operations for name in operation.names]
    refuse_names(plan, "the table", present, " \t\r\n")
    found: dict[str, str] = {}
    bare: list[str] = []
    for operation in operations:
        node = names.node(operation.names[0], present) if operation.names else None
        mode = quantize_mode(plan, node) if node is not None else _default(plan)
        if mode in INTEGER and not all(_ranged(plan, names, name) for name in operation.names):
            bare += operation.names
            mode = "F16"
        found |= dict.fromkeys(operation.names, mode)
    base = _base(found)
    modes = [f"{name} {mode}" for name, mode in found.items() if mode != base]
    ranges = [
        range_row(name, plan.encoding_of[tensor])
        for name in (*plan.segment.graph.inputs, *present)
        if (tensor := names.near(name)) in plan.encoding_of
        and (found.get(name) in INTEGER or _read_as_integers(plan, tensor))
    ]
    notices = (f"no range of the result is known, in F16: {', '.join(bare)}",) if bare else ()
    return Tables(
        base,
        "\n".join(["# op_name quantize_mode", *modes]) + "\n",
        "\n".join(["###", "# op_name    threshold    min    max", *ranges]) + "\n",
        any(mode in INTEGER for mode in found.values()),
        notices,
    )


def _ranged(plan: SegmentPlan, names: Names, name: str) -> bool:
    return names.near(name) in plan.encoding_of


def _read_as_integers(plan: SegmentPlan, tensor: str) -> bool:
    """Say whether an integer node reads a tensor. A range anywhere else keeps tpu-mlir from casting the
    inputs of weight-only products, and its backend ends with an assertion."""
    readers = plan.segment.graph.consumers.get(tensor, ())
    return any(quantize_mode(plan, node) in INTEGER for node in readers)


def _default(plan: SegmentPlan) -> str:
    """Give the mode of what the compiler made itself: the most common of our nodes."""
    return Counter(quantize_mode(plan, node) for node in plan.nodes).most_common(1)[0][0]


def _base(found: dict[str, str]) -> str:
    """Give the mode for `--quantize`: only INT8 reads ranges, only a weight-only one groups weights."""
    used = Counter(found.values())
    for mode in (*WEIGHT_ONLY, "INT8"):
        if mode in used or (mode == "INT8" and "W4INT8" in used):
            return mode
    return used.most_common(1)[0][0] if used else "F32"
