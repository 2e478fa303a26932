"""Run a graph over some frames piece by piece, so that each node runs once and little is held."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from deploykit.analysis.affine import Array
from deploykit.core.graph.index import node_reads
from deploykit.core.runtime import open_session, run_session


class Pieces:
    """A graph that runs up to any of its nodes, over all frames.

    `values` holds for each frame what is read later, and nothing else; whoever changes it changes what the
    next nodes read. `stops` are tensors behind which a piece ends. Tensors of `outputs` are kept to the end.
    """

    def __init__(
        self,
        proto: ModelProto,
        values: list[dict[str, Array]],
        *,
        stops: Collection[str],
        outputs: Collection[str],
    ) -> None:
        self.values = values
        self._proto = proto
        self._weights = {tensor.name: tensor for tensor in proto.graph.initializer}
        kept = {*outputs, *(value.name for value in proto.graph.output)}
        self._needed = _needed_later(proto.graph.node, kept)
        self._stops = frozenset(stops)
        self._at = 0

    def run_to(self, tensor: str) -> None:
        """Run up to the node that makes a tensor; nothing where it is there already."""
        while self._at < len(self._proto.graph.node) and tensor not in self.values[0]:
            self._run_piece()

    def run_all(self) -> None:
        """Run what is left."""
        while self._at < len(self._proto.graph.node):
            self._run_piece()

    def replace_input(self, node: NodeProto, at: int, values: Array) -> None:
        """Give a node a constant in the place of its input `at`."""
        name = f"{node.output[0]}::input{at}"
        self._weights[name] = numpy_helper.from_array(values, name)
        node.input[at] = name

    def node(self, name: str) -> NodeProto | None:
        """Give a node that has not run yet."""
        return next((node for node in self._proto.graph.node[self._at :] if node.name == name), None)

    def _run_piece(self) -> None:
        """Run the nodes up to the next stop."""
        nodes = self._proto.graph.node
        end = self._at + 1
        while end < len(nodes) and not self._stops & set(nodes[end - 1].output):
            end += 1
        needed = self._needed[end - 1]
        _run(self._proto, nodes[self._at : end], self._weights, needed, self.values)
        self._at = end


def _run(
    proto: ModelProto,
    nodes: Sequence[NodeProto],
    weights: Mapping[str, TensorProto],
    needed: frozenset[str],
    values: list[dict[str, Array]],
) -> None:
    made = dict.fromkeys(name for node in nodes for name in node.output if name)
    read = dict.fromkeys(name for node in nodes for name in node_reads(node) if name not in made)
    fed = [name for name in read if name not in weights]
    kept = [name for name in made if name in needed]
    graph = helper.make_graph(
        list(nodes),
        "piece",
        [_value_info(name, values[0][name]) for name in fed],
        [ValueInfoProto(name=name) for name in kept],
        [weights[name] for name in read if name in weights],
    )
    model = helper.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    session = open_session(model.SerializeToString(), name="a piece of the network")
    for frame in values:
        results = run_session(session, {name: frame[name] for name in fed}, kept)
        frame.update(zip(kept, results, strict=True))
        for name in set(frame) - needed:
            del frame[name]


def _needed_later(nodes: Sequence[NodeProto], outputs: set[str]) -> list[frozenset[str]]:
    """Give for each node what is read after it, and what it makes."""
    needed, found = set(outputs), []
    for node in reversed(nodes):
        found.append(frozenset({*needed, *node.output}))
        needed = needed.difference(node.output) | set(node_reads(node))
    return found[::-1]


def _value_info(name: str, values: Array) -> ValueInfoProto:
    dtype = helper.np_dtype_to_tensor_dtype(values.dtype)
    return helper.make_tensor_value_info(name, dtype, [None] * values.ndim)
