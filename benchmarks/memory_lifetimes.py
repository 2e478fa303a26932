"""Lifetimes of whole networks' tensors, as the memory stage sees them.

    python -m benchmarks.memory_lifetimes FOLDER [PATTERN ...]

rebuilds the networks of `tools/networks.csv` (needs torch, torchvision and timm) and writes a table of
lifetimes for each, which `python -m benchmarks.memory_instances --networks FOLDER` packs.
"""

from __future__ import annotations

import csv
import fnmatch
import sys
from pathlib import Path

from benchmarks import whole_networks
from deploykit.analysis.storage_roots import SharingRules, storage_roots
from deploykit.analysis.stored import Stored
from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.core.dtypes import ELEMENT_TYPES
from deploykit.core.graph.model import load_model, model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes
from deploykit.solve.memory.problem import PackingProblem, Rectangle

ALIGNMENT = 64


def lifetimes(graph: GraphInfo) -> PackingProblem:
    """Give a block for each group of tensors that share memory, inputs and outputs included.

    Raises:
        ValueError: a tensor has no known size.
    """
    stored: dict[str, Stored] = {}
    for name in (*graph.inputs, *(name for node in graph.nodes for name in node.outputs if name)):
        info = graph.tensor[name]
        dims = tuple(dim for dim in info.shape or () if isinstance(dim, int))
        if info.shape is None or len(dims) != len(info.shape) or info.dtype not in ELEMENT_TYPES:
            raise ValueError(f"{name} has no known size")
        stored[name] = Stored(info.dtype, dims)
    roots = storage_roots(
        graph, stored, pinned=frozenset(), rules=SharingRules(alignment_bytes=ALIGNMENT, concat_views=False)
    )
    blocks = (Rectangle(max(root.size_bytes, 1), root.live.first, root.live.end) for root in roots)
    return PackingProblem(tuple(blocks), ALIGNMENT)


def own_networks() -> dict[str, PackingProblem]:
    """Give the lifetimes of the networks in `whole_networks`."""
    found: dict[str, PackingProblem] = {}
    for name in whole_networks.NETWORKS:
        model = normalise(model_from_proto(whole_networks.build(name), name))
        infer_shapes(model)
        found[name] = lifetimes(summarise(model))
    return found


def of_file(path: Path) -> PackingProblem:
    """Give the lifetimes of an ONNX file's network.

    Raises:
        ValueError: a tensor has no known size.
    """
    model = normalise(load_model(path))
    infer_shapes(model)
    return lifetimes(summarise(model))


def main() -> int:
    """Write a table for each network that can be rebuilt."""
    from tools.make_network_tables import LIST, exported  # torch is needed for this alone

    folder, *patterns = sys.argv[1:]
    Path(folder).mkdir(parents=True, exist_ok=True)
    with LIST.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        target = Path(folder) / f"{row['table']}.csv"
        wanted = any(fnmatch.fnmatch(row["table"], pattern) for pattern in patterns or ["*"])
        if not wanted or target.exists():
            continue
        try:
            shape = tuple(int(dim) for dim in row["shape"].split("x"))
            problem = lifetimes(summarise(exported(row["table"], row["builder"], shape)[0]))
        except Exception as error:  # whatever torch, timm or a hub raise: the next network may do
            print(f"{row['table']}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
            continue
        lines = [
            f"{i},{r.first},{r.end},{s}"
            for i, (r, s) in enumerate(zip(problem.rectangles, problem.sizes, strict=True))
        ]
        target.write_text("\n".join(["id,lower,upper,size", *lines, ""]))
        print(f"{target}: {len(lines)} blocks", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
