"""Horizon OpenExplorer: the `quant_config` of `hb_compile` (Journey 6, S100), as JSON.

    {"model_config": {"all_node_type": "int8"},
     "node_config": {"Conv_3": {"qtype": "int16"}, "Gate_0": {"qtype": "float16"}}}

Nodes go by their ONNX names. int16 is 16-bit activations beside 8-bit weights; 16-bit weights would be
"dual-int16". Source: HorizonRobotics/OE-Skills, hmct/j6-hmct-cosine-similarity-tuning.
"""

from __future__ import annotations

import json

from deploykit.artifacts.precision import Scheme
from deploykit.toolchains.plan_files.source import PlanFiles, SegmentPlan, refuse

WORDS: dict[Scheme, str] = {
    "w8a8": "int8",
    "w8a16": "int16",
    "float16": "float16",
    "float32": "float32",
}


def write(plan: SegmentPlan) -> PlanFiles:
    """Give all nodes int8 but those that the plan gives something else.

    Raises:
        InputError: 4-bit weights.
    """
    refuse(plan, "quant_config", WORDS, "use w8a8, w8a16 or float16 there")
    nodes = {
        node.name: {"qtype": WORDS[plan.scheme(node)]} for node in plan.nodes if plan.scheme(node) != "w8a8"
    }
    config = {"model_config": {"all_node_type": "int8"}, "node_config": nodes}
    notices = ("ranges are not in the file: the compiler calibrates by itself",)
    return PlanFiles(((".quant_config.json", json.dumps(config, indent=2) + "\n"),), notices)
