"""Reproduce LLM-Viewer's printed table of Llama-2-7b on an RTX A6000, to the printed digits.

    DEPLOYKIT_GOLDEN=... python -m benchmarks.llama_table

The table isn't part of this project: the folder needs llama2_7b_a6000.csv. Each row of it is set beside
ours, and beside what the clean accounting counts. Fails where a digit differs. The last line is JSON.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploykit.analysis.llm.config import LlmConfig, config_from
from deploykit.analysis.llm.costs import LlmCost, OperatorCost, PhaseCost, cost_llm
from deploykit.analysis.llm.params import Accounting, LlmParams
from deploykit.core.profile import load_profile

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
}
"""meta-llama/Llama-2-7b-hf config.json."""

ROWS = {"norm": "attention_norm", "add": "attention_add"}
"""The rows that stand for two operators of a layer, by one of them."""

COLUMNS = ("ops", "memory_bytes", "intensity_ops_per_byte", "max_performance_ops_per_s", "bound")


def main() -> int:
    """Print a line a row."""
    table = Path(os.environ.get("DEPLOYKIT_GOLDEN", "")) / "llama2_7b_a6000.csv"
    if not table.is_file():
        print("no table: set DEPLOYKIT_GOLDEN to the folder that holds it", file=sys.stderr)
        return 2
    published, clean = llama_cost("published"), llama_cost("clean")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    print(f"{'':<18}{'printed':<34}{'ours':<34}clean")
    equal = 0
    for row in rows:
        printed = tuple(row[column] for column in COLUMNS)
        ours, own = cells(_find(published, row)), cells(_find(clean, row))
        equal += ours == printed
        mark = "" if ours == printed else "  DIFFERS"
        name = f"{row['phase']} {row['layer']}"
        print(f"{name:<18} {' '.join(printed):<33} {' '.join(ours):<33} {' '.join(own)}{mark}")
    for cost in (published, clean):
        first, step = cost.prefill.time_s * 1e3, cost.decode.time_s * 1e3
        print(f"{cost.params.accounting}: prompt {first:.1f} ms, decode step {step:.2f} ms")
    print(json.dumps({"benchmark": "llama_table", "rows": len(rows), "equal": equal}))
    return 0 if equal == len(rows) else 1


def llama_cost(accounting: Accounting) -> LlmCost:
    """Cost the table's model: 2048 tokens, 16 bits, batch 1."""
    config: LlmConfig = config_from(LLAMA, Path("llama-2-7b"))
    profile, _ = load_profile("a6000")
    return cost_llm(config, profile, LlmParams(prompt=2048, accounting=accounting), where="llama-2-7b")


def cells(cost: OperatorCost) -> tuple[str, ...]:
    """Give a row as the table prints it."""
    intensity = cost.intensity_ops_per_byte
    shown = f"{intensity:.0f}" if intensity >= 10 else f"{intensity:.2f}".rstrip("0").rstrip(".")
    numbers = (cost.operator.ops, cost.operator.moved_bytes, cost.attainable_ops_per_s)
    ops, moved, speed = (_prefixed(number) for number in numbers)
    return ops, moved, shown, speed, cost.bound


def _prefixed(number: float) -> str:
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if number >= factor:
            return f"{number / factor:.0f}{prefix}"
    return f"{number:.0f}"


def _find(cost: LlmCost, row: Mapping[str, str]) -> OperatorCost:
    phase: PhaseCost = cost.prefill if row["phase"] == "prefill" else cost.decode
    name = ROWS.get(row["layer"], row["layer"])
    return next(item for item in phase.blocks[0].operators if item.operator.name == name)


if __name__ == "__main__":
    sys.exit(main())
