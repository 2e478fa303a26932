"""Measure how long a cost report of a big model takes, beside onnx-tool where that is installed.

    python -m benchmarks.cost_report [--nodes 2000] [--rounds 3]

The model is a stack of residual blocks (Conv, Relu, Conv, Add) with its weights in a file beside it. Each
program runs in a process of its own, imports not counted: from the file to operations, bytes and times of
each node. CPU seconds, best of the rounds; bytes read are those of one round, of all files. onnx-tool counts
the bias and Relu as MACs too. The last line is JSON. To install it: python -m pip install onnx-tool.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 48
IMAGE = 56
PROFILE = Path(__file__).parent.parent / "hw_profiles" / "ax650n.yaml"


def main() -> int:
    """Print a row a program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("PROGRAM", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(PROGRAMS[options.measure[0]], Path(options.measure[1]), options.rounds)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stack.onnx"
        write_stack(path, options.nodes)
        weight_bytes = path.with_suffix(".data").stat().st_size
        rows = {name: in_process(name, path, options.rounds) for name in PROGRAMS if is_installed(name)}
    print(f"{options.nodes} nodes, {weight_bytes / 1e6:.1f} MB of weights")
    print(f"{'program':<12}{'CPU s':>8}{'MB read':>10}{'GMACs':>10}")
    for name, row in rows.items():
        print(f"{name:<12}{row['cpu_s']:>8.3f}{row['read_bytes'] / 1e6:>10.2f}{row['macs'] / 1e9:>10.3f}")
    if "onnx_tool" not in rows:
        print("onnx-tool is not installed here: python -m pip install onnx-tool", file=sys.stderr)
    print(
        json.dumps({"benchmark": "cost_report", "nodes": options.nodes, "weight_bytes": weight_bytes, **rows})
    )
    return 0


def deploykit_macs(path: Path) -> int:
    """Cost every node on a chip; give the MACs."""
    from deploykit.analysis.roofline import cost_nodes
    from deploykit.analysis.summary import summarise
    from deploykit.core.graph.model import load_model
    from deploykit.core.graph.normalise import normalise
    from deploykit.core.graph.shapes import infer_shapes
    from deploykit.core.profile_file import read_profile

    model = normalise(load_model(path))
    infer_shapes(model)
    return sum(node.macs for node in cost_nodes(summarise(model), read_profile(PROFILE)))


def onnx_tool_macs(path: Path) -> int:
    """Profile every node with onnx-tool; give the MACs."""
    import onnx_tool  # type: ignore[import-not-found]  # a peer, installed for this alone

    graph = onnx_tool.Model(str(path)).graph
    graph.shape_infer()
    graph.profile()
    return int(graph.macs[0])


PROGRAMS: dict[str, Callable[[Path], int]] = {"deploykit": deploykit_macs, "onnx_tool": onnx_tool_macs}
"""By the name of the module that has to be installed."""


def is_installed(module: str) -> bool:
    """Say whether a program can be imported."""
    return importlib.util.find_spec(module) is not None


def in_process(program: str, path: Path, rounds: int) -> dict[str, float]:
    """Measure a program in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.cost_report", "--rounds", str(rounds)]
    done = subprocess.run(
        [*words, "--measure", program, str(path)], stdout=subprocess.PIPE, text=True, check=True
    )
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


def measure(count_macs: Callable[[Path], int], path: Path, rounds: int) -> dict[str, float]:
    """Run a program once for its imports and for the bytes that it reads of files, then `rounds` times."""
    count_macs(path)  # imports, and what it caches
    before, spent, macs = bytes_read(), [], 0
    for _ in range(rounds):
        start = time.process_time()
        macs = count_macs(path)
        spent.append(time.process_time() - start)
    return {"cpu_s": min(spent), "read_bytes": (bytes_read() - before) / rounds, "macs": macs}


def bytes_read() -> int:
    """Give the bytes that this process has read (Linux counts them; 0 elsewhere)."""
    counters = Path("/proc/self/io")
    if not counters.exists():
        return 0
    return int(counters.read_text().split()[1])


def write_stack(path: Path, nodes: int) -> None:
    """Write blocks of Conv, Relu, Conv, Add until there are as many nodes, the weights beside them."""
    shapes = {"wide": (CHANNELS, CHANNELS, 3, 3), "thin": (CHANNELS, CHANNELS, 1, 1), "bias": (CHANNELS,)}
    layers, weights = [], []
    value = "x"
    for block in range(nodes // 4):
        names = [f"{kind}{block}" for kind in ("wide", "wide_bias", "thin", "thin_bias")]
        for name in names:
            shape = shapes["bias" if "bias" in name else name.removesuffix(str(block))]
            weights.append(numpy_helper.from_array(numpy.zeros(shape, numpy.float32), name))
        first, rectified, second, total = (f"{kind}{block}" for kind in ("first", "relu", "second", "sum"))
        layers += [
            helper.make_node("Conv", [value, *names[:2]], [first], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [first], [rectified]),
            helper.make_node("Conv", [rectified, *names[2:]], [second]),
            helper.make_node("Add", [value, second], [total]),
        ]
        value = total
    image = [1, CHANNELS, IMAGE, IMAGE]
    graph = helper.make_graph(
        layers,
        "stack",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, image)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(
        model, path, save_as_external_data=True, location=path.with_suffix(".data").name, size_threshold=0
    )


if __name__ == "__main__":
    sys.exit(main())
