"""The bird's-eye detector on Ethos-U: compiled by Vela, simulated by LiteRT, state from frame to frame.

    python -m benchmarks.toolchain_vela_bev [--clips 20] [--chip ethos-u65-512] [--workspace FOLDER]

mAP and each output's cosine on unseen clips: float, our quantized network, the simulated chain (segments that
Vela does not take run in onnxruntime). Vela has to be installed. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.compiled_networks import bev_figures, built


def main() -> None:
    """Compile, simulate, print the JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--chip", default="ethos-u65-512")
    parser.add_argument("--workspace", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(figures(options.workspace or Path(folder), options.chip, options.clips)))


def figures(place: Path, chip: str, count: int) -> dict[str, object]:
    """Give mAP and cosines of the three chains."""
    settings = (
        "chip=ethos-u65",
        f"networks.bev.compile={{toolchain: vela, chip: {chip}, failed: host}}",
    )
    return bev_figures(*built(place / chip, "bev", "bev", settings), count)


if __name__ == "__main__":
    main()
