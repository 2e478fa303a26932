"""Rockchip RKNN-Toolkit2: the configuration of hybrid quantization, `NAME.quantization.cfg`.

YAML between `hybrid_quantization_step1` and `step2`, as toolkit 2.5.0 writes it:

    custom_quantize_layers:
        conv0_bn: float16
    quantize_parameters:
        input:
            qtype: asym
            qmethod: layer
            dtype: int8
            min: [-1.0]
            max: [1.0]
            scale: [0.00784313725490196]
            zero_point: [0]
            ori_min: [-1.0]
            ori_max: [1.0]

Layers go by their output tensor; step 2 takes the words int8, int16 and float16, and only tensors that step 1
wrote under `quantize_parameters` (examples/functions/hybrid_quant of airockchip/rknn-toolkit2).
"""

from __future__ import annotations

import json

from deploykit.artifacts.encodings import Encoding
from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.toolchains.plan_files.source import PlanFiles, SegmentPlan, note, refuse, width_notices

WORDS: dict[Scheme, str] = {
    "w8a8": "int8",
    "w8a16": "int16",
    "float16": "float16",
    "float32": "float16",
}


def write(plan: SegmentPlan) -> PlanFiles:
    """Give the layers that differ from the model's `quantized_dtype`, and the ranges of the tensors.

    Raises:
        InputError: 4-bit weights beside other integers, or with 8-bit activations.
    """
    base = _base(plan)
    refuse(plan, "hybrid quantization", {base, *WORDS}, "use w8a8 or w8a16 there, or one scheme for all")
    lines = [
        f"# build with quantized_dtype={base!r}; step 2 takes only the names that step 1 wrote, so put these",
        "# entries into its file: a layer that RKNN fused goes by the output of the last operator in it",
        "custom_quantize_layers:",
    ]
    custom = [
        f"    {_quoted(node.outputs[0])}: {WORDS[plan.scheme(node)]}"
        for node in plan.nodes
        if plan.scheme(node) != base
    ]
    if not custom:
        lines[-1] += " {}"
    lines += [*custom, "quantize_parameters:"]
    tensors = [encoding for encoding in plan.encoding_of.values() if encoding.bits in (8, 16)]
    if not tensors:
        lines[-1] += " {}"
    for encoding in tensors:
        lines += _parameters(encoding)
    left = [encoding for encoding in plan.encoding_of.values() if encoding.bits < 8]
    notices = (
        *note("RKNN has no float32, these become float16", plan.with_scheme("float32")),
        *note("int16 has 16-bit weights too", (n for n in plan.with_scheme("w8a16") if plan.has_weights(n))),
        *([f"ranges of 4-bit weights are left to RKNN: {', '.join(e.tensor for e in left)}"] if left else []),
        *width_notices(plan),
    )
    return PlanFiles(((".quantization.cfg", "\n".join(lines) + "\n"),), notices)


def _base(plan: SegmentPlan) -> Scheme:
    """Give what the model is built with: w4a16 where all integer layers have it, else w8a8."""
    integers = {plan.scheme(node) for node in plan.nodes if is_integer(plan.scheme(node))}
    return "w4a16" if integers == {"w4a16"} else "w8a8"


def _parameters(encoding: Encoding) -> list[str]:
    lows, highs = [low for low, _ in encoding.ranges], [high for _, high in encoding.ranges]
    rows = {
        "qtype": "sym" if encoding.is_symmetric else "asym",
        "qmethod": "channel" if encoding.shape else "layer",
        "dtype": encoding.dtype,
        "min": json.dumps(lows),
        "max": json.dumps(highs),
        "scale": json.dumps(list(encoding.scales)),
        "zero_point": json.dumps(list(encoding.zero_points)),
        "ori_min": json.dumps(lows),
        "ori_max": json.dumps(highs),
    }
    return [f"    {_quoted(encoding.tensor)}:", *(f"        {key}: {value}" for key, value in rows.items())]


def _quoted(name: str) -> str:
    """Quote a name where plain YAML would read something else."""
    plain = name.replace("/", "").replace("_", "").replace(".", "").replace("-", "")
    starts = name[:1].isalpha() or name[:1] in "/_"
    word = name.lower() in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
    return name if plain.isascii() and plain.isalnum() and starts and not word else json.dumps(name)
