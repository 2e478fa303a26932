"""Hold published decode speeds against bytes / bandwidth + a constant per layer.

    DEPLOYKIT_GOLDEN=... python -m benchmarks.llm_decode

The measurements (airockchip/rknn-llm benchmark.md: one token after 128, batch 1) aren't part of this project:
the folder needs latency/published.csv. Each model is predicted by a fit to all others. The models' sizes are
in `llm_models.json`, with their sources; a row without sizes there is listed, not guessed. Beside each mean
error stands that of one constant a token. Fails where a mean error is above 4.5 %. The last line is JSON.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploykit.analysis.llm.config import LlmConfig, config_from
from deploykit.analysis.llm.decode_fit import DecodePoint, fit_decode, leave_one_out
from deploykit.analysis.llm.memory import count_parameters
from deploykit.analysis.llm.operators import Pass, layer_operators, outer_operators
from deploykit.analysis.llm.params import LlmParams, Phase

MODELS = Path(__file__).with_name("llm_models.json")
WEIGHT_BITS = {"W8A8": 8.0, "W4A16": 4.0, "W4A16_G128": 4.125}
"""A group of 128 weights has a 16-bit scale."""

CHIPS = ("RK3588", "RK3576")
PAST = 128
GOAL = 0.045


def main() -> int:
    """Print a table for each chip and dtype."""
    table = Path(os.environ.get("DEPLOYKIT_GOLDEN", "")) / "latency" / "published.csv"
    if not table.is_file():
        print("no measurements: set DEPLOYKIT_GOLDEN to the folder that holds them", file=sys.stderr)
        return 2
    configs = read_models()
    rows = list(_decode_rows(table))
    results = [
        result
        for chip in CHIPS
        for dtype in WEIGHT_BITS
        if (result := _measure(chip, dtype, rows, configs)) is not None
    ]
    for chip in CHIPS:
        named = {row["model"] for row in rows if row["chip"] == chip}
        print(f"\n{chip}, published but without sizes here: {', '.join(sorted(named - set(configs)))}")
    worst = max(float(str(result["mean_error"])) for result in results)
    print(json.dumps({"benchmark": "llm_decode", "goal": GOAL, "worst_mean_error": worst, "rows": results}))
    return 1 if worst > GOAL else 0


def read_models() -> dict[str, LlmConfig]:
    """Give the models' sizes by the name that the published table has."""
    models = json.loads(MODELS.read_text())["models"]
    return {model["name"]: config_from(model["config"], MODELS) for model in models}


def decode_bytes(config: LlmConfig, weight_bits: float, past: int = PAST) -> int:
    """Give the bytes of weights and cache that one token moves."""
    run = Pass(config, Phase("decode", 1, past), LlmParams(weight_bits=weight_bits))
    operators = [*outer_operators(run)]
    for layer in config.layers:
        operators += layer_operators(run, layer)
    return sum(item.weight_bytes + item.kv_read_bytes + item.kv_write_bytes for item in operators)


def _decode_rows(table: Path) -> Iterator[dict[str, str]]:
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["source_repo"] == "airockchip/rknn-llm" and row["input_shape"].startswith("decode"):
                yield row


def _measure(
    chip: str, dtype: str, rows: Sequence[Mapping[str, str]], configs: Mapping[str, LlmConfig]
) -> dict[str, Any] | None:
    own = [
        row for row in rows if row["chip"] == chip and row["precision"] == dtype and row["model"] in configs
    ]
    if not own:
        return None
    by_layer, by_token = [], []
    for row in own:
        config, time_s = configs[row["model"]], 1 / float(row["fps"])
        moved = decode_bytes(config, WEIGHT_BITS[dtype])
        by_layer.append(DecodePoint(moved, time_s, len(config.layers)))
        by_token.append(DecodePoint(moved, time_s))
    errors, fit = leave_one_out(by_layer), fit_decode(by_layer)
    plain, bandwidth = _mean(leave_one_out(by_token)), fit.bandwidth_bytes_per_s
    print(f"\n{chip} {dtype}, {len(own)} models: mean {_mean(errors):.1%} (constant per token: {plain:.1%})")
    print(f"  fitted to all: {bandwidth / 1e9:.1f} GB/s + {fit.launch_s * 1e6:.0f} us a layer")
    print(f"  {'model':<16}{'parameters':>12}{'moved':>10}{'memory':>14}{'tokens/s':>10}{'error':>9}")
    for row, point, error in zip(own, by_layer, errors, strict=True):
        _print_row(row, configs[row["model"]], point, error)
    return {
        "chip": chip,
        "dtype": dtype,
        "models": len(own),
        "mean_error": round(_mean(errors), 4),
        "mean_error_constant_per_token": round(plain, 4),
        "largest_error": round(max(map(abs, errors)), 4),
        "bandwidth_bytes_per_s": round(bandwidth),
        "layer_s": round(fit.launch_s, 7),
        "errors": {row["model"]: round(error, 4) for row, error in zip(own, errors, strict=True)},
    }


def _print_row(row: Mapping[str, str], config: LlmConfig, point: DecodePoint, error: float) -> None:
    memory = row["notes"].rsplit("memory ", 1)[-1]
    parameters = f"{count_parameters(config) / 1e6:.0f} M"
    moved = f"{point.moved_bytes / 1e6:.0f} MB"
    speed = float(row["fps"])
    print(f"  {row['model']:<16}{parameters:>12}{moved:>10}{memory:>14}{speed:>10.2f}{error:>+9.1%}")


def _mean(errors: Sequence[float]) -> float:
    return sum(map(abs, errors)) / len(errors)


if __name__ == "__main__":
    sys.exit(main())
