"""Which tensor of ours stands behind a name of tpu-mlir, `heat_Sigmoid`: the tensor's and its operator."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence

from deploykit.artifacts.binaries import CompileReport
from deploykit.artifacts.graph import GraphInfo, NodeInfo
from deploykit.core.errors import input_error

CAST = re.compile(r"_(?:si8|ui8|si16|f16|bf16|f32|si4|ui4)$")
SUFFIX = re.compile(r"__\w+$")
"""What its rewrites put behind a name, such as `x_MatMul__mergeMulConst`."""


class Names:
    """The names of a segment's tensors in tpu-mlir's files."""

    def __init__(self, graph: GraphInfo) -> None:
        self._tensors = {f"{name}_{node.op}": name for node in graph.nodes for name in node.outputs if name}
        self._tensors |= {name: name for name in graph.inputs}
        self._graph = graph

    def exact(self, name: str) -> str | None:
        """Give the tensor that has this name there; None for what the compiler made itself."""
        return self._tensors.get(name)

    def near(self, name: str) -> str | None:
        """Give the tensor that an operation stands for, also where a cast or a rewrite changed its name."""
        for shorter in (name, CAST.sub("", name), SUFFIX.sub("", name)):
            if shorter in self._tensors:
                return self._tensors[shorter]
        return None

    def node(self, name: str, present: Iterable[str]) -> NodeInfo | None:
        """Give the node whose precision an operation has: where a layer was fused with functions behind it,
        the layer. `present` are the names of all operations: what is not among them was fused."""
        tensor = self.near(name)
        node = self._graph.producer.get(tensor or "")
        known = {self.near(other) for other in present}
        found = node
        while node is not None and not self._has_weights(node):
            before = self._graph.producer.get(node.inputs[0]) if node.inputs else None
            if before is None or before.outputs[0] in known or len(self._readers(before)) > 1:
                return found
            node = before
        return node or found

    def _readers(self, node: NodeInfo) -> Sequence[NodeInfo]:
        return self._graph.consumers.get(node.outputs[0], ())

    def _has_weights(self, node: NodeInfo) -> bool:
        known = self._graph.tensor
        return any(name in known and known[name].is_weight for name in node.inputs)


def output_names(theirs: Sequence[str], ours: Sequence[str], where: str) -> dict[str, str]:
    """Pair the outputs {ours: theirs}: casts change their names, never their order.

    Raises:
        InputError: another number of outputs.
    """
    if len(theirs) != len(ours):
        raise input_error(
            where, f"the compiled network has outputs {', '.join(theirs)} for {', '.join(ours)}"
        )
    return dict(zip(ours, theirs, strict=True))


def renamed(found: Iterable[str], names: Names) -> Iterator[tuple[str, str]]:
    """Say for each name that no tensor of ours has what it is."""
    for name in found:
        if names.exact(name) is None:
            yield name, "a cast that the compiler put in" if CAST.search(name) else "made by the compiler"


def with_tensors(report: CompileReport, graph: GraphInfo) -> CompileReport:
    """Give the layers of a report the names of our tensors, where they have any."""
    names = Names(graph)
    layers = tuple(
        dataclasses.replace(layer, tensors=(tensor,)) if (tensor := names.near(layer.name)) else layer
        for layer in report.layers
    )
    return dataclasses.replace(report, layers=layers)
