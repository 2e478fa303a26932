"""Encodings as AIMET exports them and Qualcomm's converters read them (`--quantization_overrides`).

0.6.1 holds, for each tensor, a list with one entry for each scale:

    {"bitwidth": 8, "dtype": "int", "is_symmetric": "True", "min": -1.536, "max": 1.524,
     "offset": -128, "scale": 0.012}
    {"bitwidth": 16, "dtype": "float"}

where min = offset * scale and codes count from 0. 2.0.0 has the fields of ONNX's DequantizeLinear, also for
blocks:

    {"name": "conv.weight", "output_dtype": "int4", "y_scale": [[0.1], [0.2]], "axis": 1, "block_size": 32}

Sources: "Quantization encoding specification" of quic/aimet's documentation; the export schemas of
Qualcomm-AI-research/fastforward. Biases are left to the converter, as AIMET leaves them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.graph import NodeInfo
from deploykit.core.dtypes import is_float
from deploykit.core.errors import Fault, InputError
from deploykit.toolchains.plan_files.source import PlanFiles, SegmentPlan, names, note, width_notices


def write_0_6_1(plan: SegmentPlan) -> PlanFiles:
    """Give the encodings of all tensors, those of float nodes too.

    Raises:
        InputError: weights in blocks, which 0.6.1 has no word for.
    """
    faults = [
        Fault(
            f"segment {plan.segment.name!r}",
            f"version 0.6.1 has no word for blocks of {encoding.block} weights: "
            f"{encoding.tensor} of {names(_readers(plan, encoding.tensor))}",
            "use --format aimet-2, or scales for each channel",
        )
        for encoding in plan.encoding_of.values()
        if encoding.block is not None
    ]
    if faults:
        raise InputError(*faults)
    sections: dict[str, dict[str, Any]] = {"activation_encodings": {}, "param_encodings": {}}
    for encoding in plan.encoding_of.values():
        section = "param_encodings" if encoding.kind == "weight" else "activation_encodings"
        sections[section][encoding.tensor] = list(_entries(encoding))
    for node in plan.with_scheme("float16", "float32"):
        entry = [{"bitwidth": 16 if plan.scheme(node) == "float16" else 32, "dtype": "float"}]
        for section, tensor in _real_tensors(plan, node):
            sections[section].setdefault(tensor, entry)
    return PlanFiles(((".encodings", _json({"version": "0.6.1", **sections})),), width_notices(plan))


def write_2_0_0(plan: SegmentPlan) -> PlanFiles:
    """Give the encodings of all integer tensors; one without an entry is float."""
    entries: list[dict[str, Any]] = []
    for encoding in plan.encoding_of.values():
        entry: dict[str, Any] = {"name": encoding.tensor, "output_dtype": encoding.dtype}
        entry["y_scale"] = _nested(encoding.scales, encoding.shape)
        if any(encoding.zero_points):
            entry["y_zero_point"] = _nested(encoding.zero_points, encoding.shape)
        if encoding.axis is not None:
            entry["axis"] = encoding.axis
        if encoding.block is not None:
            entry["block_size"] = encoding.block
        entries.append(entry)
    notices = (
        *note("float16 is not in the file, a tensor without an entry is float", plan.with_scheme("float16")),
        *width_notices(plan),
    )
    return PlanFiles(((".encodings", _json({"version": "2.0.0", "encodings": entries})),), notices)


def _entries(encoding: Encoding) -> Iterator[dict[str, Any]]:
    offsets = encoding.offsets()
    for scale, offset, (low, high) in zip(encoding.scales, offsets, encoding.ranges, strict=True):
        yield {
            "bitwidth": encoding.bits,
            "dtype": "int",
            "is_symmetric": str(encoding.is_symmetric),
            "min": low,
            "max": high,
            "offset": offset,
            "scale": scale,
        }


def _real_tensors(plan: SegmentPlan, node: NodeInfo) -> Iterator[tuple[str, str]]:
    """Give the real weights and outputs of a node, with the section that each belongs to."""
    known = plan.segment.graph.tensor
    for name in (*node.inputs, *node.outputs):
        info = known.get(name)
        if info is not None and is_float(info.dtype) and (info.is_weight or name in node.outputs):
            yield ("param_encodings" if info.is_weight else "activation_encodings"), name


def _readers(plan: SegmentPlan, tensor: str) -> list[NodeInfo]:
    return [node for node in plan.nodes if tensor in node.inputs]


def _nested(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """Give row-major values as nested lists; a single one stands alone."""
    if not shape:
        return values[0]
    if len(shape) == 1:
        return list(values)
    step = len(values) // shape[0] if shape[0] else 0
    return [_nested(values[at * step : (at + 1) * step], shape[1:]) for at in range(shape[0])]


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1) + "\n"
