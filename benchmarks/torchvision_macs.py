"""Hold MACs and parameters of torchvision's classification networks against its own published figures.

    python -m benchmarks.torchvision_macs

`torchvision_published.csv` has `_ops` (GMACs, without biases) and `num_params` of torchvision 0.29.1's
`weights.meta`, at the crop size of the weights. Ours come from the shipped layer tables: the networks as they
run, batch norms folded. A difference above 1 % that is not explained below is a failure. The last line is
JSON.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploykit.analysis.network_tables import load_table, table_names

PUBLISHED = Path(__file__).with_name("torchvision_published.csv")
GOAL = 0.01
EXPLAINED: Mapping[str, str] = {
    "inception_v3": "num_params counts the auxiliary classifier of training, 3.327 M",
    "maxvit_t": "the exported graph holds position biases of 169 values a head as 49 x 49",
    "shufflenet_v2_x0_5": "published as 0.040 GMACs, which is ours rounded",
    "swin_b": "position biases of 169 values a head as 49 x 49 (0.839 M more), masks of windows (0.202 M)",
    "swin_s": "position biases of 169 values a head as 49 x 49 (0.629 M more), masks of windows (0.202 M)",
    "swin_t": "position biases of 169 values a head as 49 x 49 (0.308 M more), masks of windows (0.202 M)",
}


@dataclass(frozen=True)
class Line:
    """One network: published and counted figures, differences relative to the published ones."""

    model: str
    published_macs: float
    macs: int
    published_parameters: int
    parameters: int

    @property
    def macs_error(self) -> float:
        """By how much ours are larger."""
        return self.macs / self.published_macs - 1

    @property
    def parameters_error(self) -> float:
        """By how much ours are more."""
        return self.parameters / self.published_parameters - 1

    @property
    def close(self) -> bool:
        """Both within the goal."""
        return abs(self.macs_error) <= GOAL and abs(self.parameters_error) <= GOAL


def main() -> int:
    """Print a line a network; 1 where a difference has no explanation."""
    lines, absent = read_lines()
    print(f"{'network':<22}{'GMACs':>9}{'ours':>9}{'':>8}{'M param.':>10}{'ours':>9}")
    for line in lines:
        macs = f"{line.published_macs / 1e9:>9.3f}{line.macs / 1e9:>9.3f}{line.macs_error:>+8.2%}"
        published, ours = line.published_parameters / 1e6, line.parameters / 1e6
        why = "" if line.close else f"  {EXPLAINED.get(line.model, 'NOT EXPLAINED')}"
        print(f"{line.model:<22}{macs}{published:>10.3f}{ours:>9.3f}{line.parameters_error:>+8.2%}{why}")
    if absent:
        print(f"\npublished, but without a table here: {', '.join(absent)}")
    open_ones = [line.model for line in lines if not line.close and line.model not in EXPLAINED]
    result = {
        "benchmark": "torchvision_macs",
        "goal": GOAL,
        "networks": len(lines),
        "macs_within_goal": sum(abs(line.macs_error) <= GOAL for line in lines),
        "parameters_within_goal": sum(abs(line.parameters_error) <= GOAL for line in lines),
        "largest_macs_error": round(max((abs(line.macs_error) for line in lines), default=0), 5),
        "largest_parameters_error": round(max((abs(line.parameters_error) for line in lines), default=0), 5),
        "explained": {line.model: EXPLAINED[line.model] for line in lines if line.model in EXPLAINED},
        "not_explained": open_ones,
        "absent": absent,
    }
    print(json.dumps(result))
    return 1 if open_ones else 0


def read_lines() -> tuple[list[Line], list[str]]:
    """Give the networks that have a table, and the names of those that have none."""
    known = set(table_names())
    lines, absent = [], []
    with PUBLISHED.open(newline="") as file:
        for row in csv.DictReader(file):
            name = f"{row['model']}_1x3x{row['size']}x{row['size']}"
            if name not in known:
                absent.append(row["model"])
                continue
            table = load_table(name)
            macs, parameters = float(row["gmacs"]) * 1e9, int(row["parameters"])
            lines.append(Line(row["model"], macs, table.macs, parameters, table.parameters))
    return lines, absent


if __name__ == "__main__":
    sys.exit(main())
