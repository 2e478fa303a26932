"""NVIDIA TensorRT: a precision for each layer, for trtexec and for polygraphy.

    --precisionConstraints=obey
    --layerPrecisions=conv_1:fp16,gate:fp32

trtexec: `layerName ":" precision`, joined by commas; precisions are fp32, fp16, int32 and int8 (its `--help`,
samples/common/sampleOptions.cpp of NVIDIA/TensorRT). polygraphy: `--layer-precisions name:float16 ...`, the
data types' own names (polygraphy/tools/args/backend/trt/loader.py). Layers go by the ONNX nodes' names.
TensorRT 11 builds strongly typed networks only and has neither option.
"""

from __future__ import annotations

import shlex

from deploykit.artifacts.precision import Scheme
from deploykit.toolchains.plan_files.source import PlanFiles, SegmentPlan, refuse, refuse_names

WORDS: dict[Scheme, tuple[str, str]] = {
    "float32": ("fp32", "float32"),
    "float16": ("fp16", "float16"),
    "w8a8": ("int8", "int8"),
}

LONGEST_ARGUMENT_BYTES = 131072
"""Linux takes no longer argument (MAX_ARG_STRLEN)."""


def write(plan: SegmentPlan) -> PlanFiles:
    """Give the arguments of both programs, one a line: `xargs -a FILE trtexec --onnx=...`.

    Raises:
        InputError: 4-bit weights or 16-bit integers; a name that the option cannot hold.
    """
    refuse(plan, "TensorRT's layer precision", WORDS, "use w8a8, float16 or float32 there")
    refuse_names(plan, "trtexec", (node.name for node in plan.nodes), ",:'\"\n")
    used = {plan.scheme(node) for node in plan.nodes}
    short = [f"{node.name}:{WORDS[plan.scheme(node)][0]}" for node in plan.nodes]
    trtexec = [
        *(["--fp16"] if "float16" in used else []),
        *(["--int8"] if "w8a8" in used else []),
        "--precisionConstraints=obey",
        f"--layerPrecisions={','.join(short)}",
    ]
    long = [shlex.quote(f"{node.name}:{WORDS[plan.scheme(node)][1]}") for node in plan.nodes]
    polygraphy = [
        *(flag for flag in trtexec if flag in ("--fp16", "--int8")),
        "--precision-constraints",
        "obey",
        "--layer-precisions",
        *long,
    ]
    size = len(trtexec[-1].encode())
    notices = []
    if size > LONGEST_ARGUMENT_BYTES:
        notices.append(
            f"--layerPrecisions has {size} bytes, Linux takes {LONGEST_ARGUMENT_BYTES} in one argument; "
            "use polygraphy"
        )
    files = (
        (".trtexec.txt", "\n".join(map(shlex.quote, trtexec)) + "\n"),
        (".polygraphy.txt", "\n".join(polygraphy) + "\n"),
    )
    return PlanFiles(files, tuple(notices))
