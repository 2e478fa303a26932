"""Rockchip RKNN-Toolkit2: the configuration of hybrid quantization, `NAME.quantization.cfg`.

YAML that `hybrid_quantization_step1` writes and `step2` reads:

    custom_quantize_layers:
        conv0_bn: float16
    quantize_parameters:
        input_int8:
            qtype: asym
            qmethod: layer
            dtype: int8
            min: [-1.0]
            max: [1.0]
            scale: [0.00784313725490196]
            ...

Step 2 takes step 1's own file only, and refuses changes of anything but `custom_quantize_layers` (int8, int16
or float16, by output tensor, names of `quantize_parameters` only), `min` and `max`; tried with 2.5.0. Rounded
inputs and outputs of the model are NAME_int8 there, fused or replaced operators have an ending such as _mm or
_rs. Operators that RKNN adds in front of a float16 one are int8 unless they are named too. Weights are not in
it. Source of the format: examples/functions/hybrid_quant of airockchip/rknn-toolkit2.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deploykit.artifacts.precision import Scheme, is_integer
from deploykit.core.errors import input_error
from deploykit.toolchains.plan_files.source import PlanFiles, SegmentPlan, note, refuse, width_notices

WORDS: dict[Scheme, str] = {
    "w8a8": "int8",
    "w8a16": "int16",
    "float16": "float16",
    "float32": "float16",
}

END = ".quantization.cfg"

RENAMED = re.compile(r"([-_](rs|tp|mm|sw|sdpa))+|_int8")
"""What RKNN puts behind a tensor's name where it replaces the operator (reshape, transpose, matmul ...)."""


def write(plan: SegmentPlan) -> PlanFiles:
    """Give step 1's file with the plan's layers and ranges; without that file, what belongs into it.

    Raises:
        InputError: 4-bit weights beside other integers, or with 8-bit activations; a file that is not
            step 1's.
    """
    base = _base(plan)
    refuse(plan, "hybrid quantization", {base, *WORDS}, "use w8a8 or w8a16 there, or one scheme for all")
    layers = {node.outputs[0]: WORDS[plan.scheme(node)] for node in plan.nodes if plan.scheme(node) != base}
    ranges = {
        name: encoding.ranges[0]
        for name, encoding in plan.encoding_of.items()
        if encoding.kind == "activation"
    }
    notices = (
        *note("RKNN has no float32, these become float16", plan.with_scheme("float32")),
        *note("int16 has 16-bit weights too", (n for n in plan.with_scheme("w8a16") if plan.has_weights(n))),
        *width_notices(plan),
    )
    if plan.before is None:
        parameters = {name: {"min": [low], "max": [high]} for name, (low, high) in ranges.items()}
        content = {"custom_quantize_layers": layers, "quantize_parameters": parameters}
        head = f"# for a build with quantized_dtype={base!r}; step 2 reads the file of step 1 only\n"
        missing = "step 2 wants the files that step 1 wrote: give their folder as --step1"
        return PlanFiles(((END, head + _dump(content)),), (missing, *notices))
    content, unknown = _merged(plan, plan.before, layers, ranges)
    return PlanFiles(((END, _dump(content)),), (*unknown, *notices))


def _base(plan: SegmentPlan) -> Scheme:
    """Give what the model is built with: w4a16 where all integer layers have it, else w8a8."""
    integers = {plan.scheme(node) for node in plan.nodes if is_integer(plan.scheme(node))}
    return "w4a16" if integers == {"w4a16"} else "w8a8"


def _merged(
    plan: SegmentPlan, text: str, layers: Mapping[str, str], ranges: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Put layers and ranges into step 1's content; gives it and what found no place."""
    where = f"segment {plan.segment.name!r}: the file of step 1"
    try:
        content = YAML(typ="safe").load(text)
        parameters = content["quantize_parameters"]
    except (YAMLError, KeyError, TypeError):
        fix = "give the folder of the *.quantization.cfg that hybrid_quantization_step1 wrote"
        raise input_error(where, "it has no quantize_parameters", fix) from None
    own = {key: "float16" for name in _read_in_float(plan) for key in _conversions(name, parameters)}
    content["custom_quantize_layers"] = own | {
        key: word for name, word in layers.items() for key in _names(name, parameters)[:1]
    }
    for name, (low, high) in ranges.items():
        for key in _names(name, parameters):
            if parameters[key]["dtype"] == "int8":
                parameters[key].update(min=[low], max=[high])
    lost = {
        "RKNN has no such layer, it has fused or replaced it": layers,
        "RKNN has no such tensor, the range is left out": ranges,
    }
    found = ((text, [n for n in wanted if not _names(n, parameters)]) for text, wanted in lost.items())
    return content, tuple(f"{text}: {', '.join(names)}" for text, names in found if names)


def _read_in_float(plan: SegmentPlan) -> list[str]:
    """Give the tensors that float nodes alone read: what RKNN puts in between has to be float too."""
    readers = ((name, plan.segment.graph.consumers.get(name, ())) for name in plan.segment.graph.tensor)
    return [
        name for name, nodes in readers if nodes and not any(is_integer(plan.scheme(node)) for node in nodes)
    ]


def _conversions(tensor: str, known: Collection[str]) -> list[str]:
    """Give the operators that RKNN puts behind a tensor, beside its rounding."""
    return [name for name in _names(tensor, known) if name not in (tensor, f"{tensor}_int8")]


def _names(tensor: str, known: Collection[str]) -> list[str]:
    """Give the names under which RKNN knows a tensor, its own first."""
    others = (name for name in known if name.startswith(tensor) and RENAMED.fullmatch(name[len(tensor) :]))
    return [*([tensor] if tensor in known else []), *others]


def _dump(content: Mapping[str, Any]) -> str:
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 1 << 20  # no name is broken over lines
    yaml.indent(mapping=4, sequence=4, offset=0)
    yaml.dump(content, stream)
    return stream.getvalue()
