"""What the toolchains of a chip take of a network, by their own lists of operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from deploykit.analysis.graph_work import all_nodes
from deploykit.artifacts.assessment import ToolchainCoverage
from deploykit.artifacts.graph import GraphInfo
from deploykit.toolchains import TOOLCHAINS, load_toolchain


def toolchain_coverage(graph: GraphInfo, chip: str) -> Iterator[ToolchainCoverage]:
    """Give each toolchain that has the chip, or configurations of it, and lists its operators."""
    for name in TOOLCHAINS:
        toolchain = load_toolchain(name)
        found = toolchain.capabilities()
        if not found.operators or not any(_is_chip(item, chip) for item in found.chips):
            continue
        on_cpu = {item.op: item.on_cpu for item in found.operators}
        nodes = [(node.op, node.domain in ("", "ai.onnx") and node.op in on_cpu) for node in all_nodes(graph)]
        yield ToolchainCoverage(
            toolchain=name,
            version=toolchain.recipe.version if toolchain.recipe else "",
            nodes=len(nodes),
            on_cpu=_counted(op for op, taken in nodes if taken and on_cpu[op]),
            refused=_counted(op for op, taken in nodes if not taken),
            source=found.source,
        )


def _is_chip(name: str, chip: str) -> bool:
    """Say whether a toolchain's name is a profile's, or one of its configurations ("ethos-u65-512")."""
    return name == chip or name.startswith(f"{chip}-")


def _counted(operators: Iterator[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(operators).most_common())
