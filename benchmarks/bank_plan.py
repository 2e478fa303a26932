"""Off-chip traffic of the bird's-eye detector by what lies in each chip's own memory.

    python -m benchmarks.bank_plan [--chips tda4vm rk3588 ax650n] [--steps 4000]

The detector of pipelines/bev.yaml in w8a8, split for each chip as the pipeline does. Bytes a frame: with
everything in DRAM, with the largest tensors on chip first, as planned, and the least that any plan could have
(a bound: nothing may reach it). The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from deploykit.artifacts.banks import BankPlan
from deploykit.artifacts.model import Partition, StatePair
from deploykit.core.profile import load_profile
from deploykit.core.store import Store
from deploykit.core.workspace import Workspace
from deploykit.pipeline.config import load_config
from deploykit.stages.analyze import AnalyzeParams, analyze_costs
from deploykit.stages.export import ExportParams, export_model
from deploykit.stages.memory import MemoryParams, plan_memory
from deploykit.stages.precision import PrecisionParams, plan_precision
from deploykit.stages.split import split_model

FOLDER = Path(__file__).resolve().parents[1] / "pipelines"


def main() -> None:
    """Plan, print a table and the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chips", nargs="*", default=["tda4vm", "rk3588", "ax650n", "ethos-u65", "bm1688"])
    parser.add_argument("--steps", type=int, default=MemoryParams.bank_steps)
    options = parser.parse_args()
    print(f"{'chip':<11}{'banks':>12}{'all DRAM':>11}{'greedy':>11}{'planned':>11}{'bound':>11}   gap CPU s")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Store(Path(folder) / "store"))
        for chip in options.chips:
            rows.append(_row(chip, options.steps, workspace))
    print(json.dumps({"benchmark": "bank_plan", "network": "bev", "steps": options.steps, "rows": rows}))


def _row(chip: str, steps: int, workspace: Workspace) -> dict[str, Any]:
    profile, _ = load_profile(chip)
    partition = _detector(chip, workspace)
    costs = analyze_costs(partition, profile=profile, params=AnalyzeParams())
    precision = plan_precision(partition, costs, profile=profile, params=PrecisionParams(scheme="w8a8"))
    start = time.process_time()
    params = MemoryParams(bank_steps=steps)
    plan = plan_memory(partition, precision, profile=profile, params=params).banks
    assert plan is not None  # these chips give their size
    seconds = time.process_time() - start
    banks = f"{plan.bank_count} x {plan.bank_bytes // 1024} K"
    print(
        f"{chip:<11}{banks:>12}{plan.all_dram_bytes:>11}{plan.greedy_bytes:>11}{plan.traffic_bytes:>11}"
        f"{plan.bound.lower_bound:>11}{plan.bound.gap:>6.1%}{seconds:>6.1f}  {plan.bound.status}"
    )
    return {"chip": chip, **_figures(plan), "cpu_s": round(seconds, 1)}


def _detector(chip: str, workspace: Workspace) -> Partition:
    config, _ = load_config(FOLDER / "bev.yaml", [f"chip={chip}"])
    export = ExportParams(state=(StatePair("bev_memory", "prev_bev"),), proof_frames=1)
    model = export_model(
        FOLDER / "models" / "bev.onnx", (), network="bev", params=export, workspace=workspace
    )
    profile, _ = load_profile(chip)
    split = config.networks["bev"].options["split"]
    return split_model(model, (), profile=profile, params=split, workspace=workspace)


def _figures(plan: BankPlan) -> dict[str, Any]:
    return {
        "bank_count": plan.bank_count,
        "bank_bytes": plan.bank_bytes,
        "all_dram_bytes": plan.all_dram_bytes,
        "greedy_bytes": plan.greedy_bytes,
        "planned_bytes": plan.traffic_bytes,
        "lower_bound_bytes": plan.bound.lower_bound,
        "status": plan.bound.status,
        "items": len(plan.items),
        "spilled": sum(len(item.stays) > 1 for item in plan.items),
        "tiled": sum(item.tiles is not None for item in plan.items),
        "resident_weight_bytes": plan.resident_weight_bytes,
        "all_dram_s": plan.all_dram_s,
        "planned_s": plan.planned_s,
        "prefetches": len(plan.prefetches),
        "what_if": [
            [other.bank_count, other.traffic_bytes, other.lower_bound_bytes] for other in plan.what_if
        ],
    }


if __name__ == "__main__":
    main()
