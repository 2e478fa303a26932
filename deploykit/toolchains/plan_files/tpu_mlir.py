"""Sophgo tpu-mlir: the table of quantize modes and the calibration table of `model_deploy`.

    # op_name quantize_mode                  # op_name    threshold    min    max
    122_Conv F16                             images 1.0000080 0.0000000 1.0000080

An operator's name is its output tensor and its ONNX type; inputs go by their own name. The threshold is for
symmetric codes, min and max for asymmetric ones. Source: tpu-mlir, quick_start manual, chapter on the
interfaces of `run_calibration` and `model_deploy`.
"""

from __future__ import annotations

from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.precision import ACTIVATION_BITS, Scheme, is_integer
from deploykit.toolchains.plan_files.source import PlanFiles, SegmentPlan, note, refuse_names, width_notices

WEIGHT_ONLY = ("MatMul", "Gemm")
"""W4F16 and W8F16 hold for these only; elsewhere tpu-mlir computes in F16 (the manual, `model_deploy`)."""

PLAIN: dict[Scheme, str] = {"float32": "F32", "float16": "F16", "w8a8": "INT8"}


def write(plan: SegmentPlan) -> PlanFiles:
    """Give `model_deploy --quantize INT8` its two tables.

    Raises:
        InputError: a name with white space.
    """
    inputs = [name for name in plan.segment.graph.inputs if name in plan.encoding_of]
    keys = {name: name for name in inputs}
    keys |= {name: f"{name}_{node.op}" for node in plan.nodes for name in node.outputs if name}
    refuse_names(plan, "the table", keys.values(), " \t\r\n")
    modes = {node.id: quantize_mode(plan, node) for node in plan.nodes}
    table = ["# for model_deploy --quantize INT8 --quantize_table", "# op_name quantize_mode"]
    table += [f"{node.id}_{node.op} {modes[node.id]}" for node in plan.nodes if modes[node.id] != "INT8"]
    ranges = ["# for model_deploy --calibration_table", "###", "# op_name    threshold    min    max"]
    for tensor, key in keys.items():
        if tensor in plan.encoding_of:
            ranges.append(range_row(key, plan.encoding_of[tensor]))
    files = ((".qtable", "\n".join(table) + "\n"), (".cali_table", "\n".join(ranges) + "\n"))
    return PlanFiles(files, (*_notices(plan, modes), *width_notices(plan)))


def range_row(key: str, encoding: Encoding) -> str:
    """Give the row of one tensor in the calibration table."""
    ((low, high),) = encoding.ranges
    return f"{key} {max(-low, high):.7f} {low:.7f} {high:.7f}"


def quantize_mode(plan: SegmentPlan, node: NodeInfo) -> str:
    """Give tpu-mlir's word for a node's scheme."""
    scheme = plan.scheme(node)
    if scheme in PLAIN:
        return PLAIN[scheme]
    if scheme == "w4a8":
        return "W4INT8" if plan.has_weights(node) else "INT8"
    weight_only = node.op in WEIGHT_ONLY and plan.has_weights(node)
    return {"w8a16": "W8F16", "w4a16": "W4F16"}[scheme] if weight_only else "F16"


def _notices(plan: SegmentPlan, modes: dict[str, str]) -> tuple[str, ...]:
    wide = plan.with_scheme("w8a16", "w4a16")
    lost = (node for node in wide if modes[node.id] == "F16" and plan.has_weights(node))
    bare = (
        node
        for node in plan.nodes
        if is_integer(plan.scheme(node))
        and ACTIVATION_BITS[plan.scheme(node)] == 8
        and node.outputs[0] not in plan.encoding_of
    )
    return (
        *note("tpu-mlir has no 16-bit integers, activations become float16", wide),
        *note("weights stay float16, only MatMul has 4- or 8-bit weights beside F16", lost),
        *note("no range of the output is known, the value is not rounded there", bare),
    )
