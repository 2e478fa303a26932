"""One graph of all segments, and the pieces of it around a layer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from deploykit.artifacts.model import Partition
from deploykit.core.dtypes import element_type
from deploykit.core.errors import input_error
from deploykit.core.graph.index import node_reads, subgraphs
from deploykit.core.graph.model import load_model
from deploykit.core.store import Reader

INLINE_LIMIT_BYTES = (1 << 31) - (1 << 20)


@dataclass(frozen=True)
class Joined:
    """All nodes of a network in execution order, its weights, and the types of what can be fed.

    Activations have the float network's names; weights and what quantizing adds are numbered by segment.
    """

    nodes: tuple[NodeProto, ...]
    weights: dict[str, TensorProto]
    header: ModelProto
    types: dict[str, int]

    def piece(self, sources: Collection[str], targets: Sequence[str]) -> tuple[ModelProto, tuple[str, ...]]:
        """Give the model that computes `targets` with `sources` fed, and the inputs that it needs."""
        wanted, kept = set(targets) - set(sources), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(name for name in node_reads(node) if name not in sources)
        return self._model(list(reversed(kept)), targets)

    def after(self, changed: Collection[str], targets: Sequence[str]) -> tuple[ModelProto, tuple[str, ...]]:
        """Give the model of what `changed` tensors reach, up to `targets`, and the inputs that it needs."""
        reached = set(changed)
        later = []
        for node in self.nodes:
            if reached.intersection(node_reads(node)) and not set(node.output) & set(changed):
                later.append(node)
                reached.update(name for name in node.output if name)
        wanted, kept = {name for name in targets if name in reached}, []
        for node in reversed(later):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node_reads(node))
        return self._model(list(reversed(kept)), [name for name in targets if name in reached - set(changed)])

    def whole(self, targets: Sequence[str]) -> tuple[ModelProto, tuple[str, ...]]:
        """Give the model that computes `targets` from the network's inputs."""
        return self.piece((), targets)

    def _model(
        self, nodes: Sequence[NodeProto], targets: Sequence[str]
    ) -> tuple[ModelProto, tuple[str, ...]]:
        made = {name for node in nodes for name in node.output}
        read = dict.fromkeys(name for node in nodes for name in node_reads(node))
        weights = [self.weights[name] for name in read if name in self.weights and name not in made]
        fed = tuple(name for name in read if name not in made and name not in self.weights)
        inputs = [
            helper.make_tensor_value_info(name, self.types.get(name, TensorProto.FLOAT), None) for name in fed
        ]
        outputs = [ValueInfoProto(name=name) for name in targets]
        graph = helper.make_graph(list(nodes), "piece", inputs, outputs, weights)
        model = ModelProto()
        model.CopyFrom(self.header)
        model.graph.CopyFrom(graph)
        return model, fed


def joined(partition: Partition, reader: Reader, activations: Collection[str]) -> Joined:
    """Join the segments of a network, float or quantized; `activations` are names that stay.

    Raises:
        InputError: weights that do not fit one protobuf message.
    """
    nodes: list[NodeProto] = []
    weights: dict[str, TensorProto] = {}
    made: set[str] = set()
    header = ModelProto()
    types: dict[str, int] = {}
    for number, segment in enumerate(partition.segments):
        model = load_model(reader.folder(segment.files) / segment.files[0].name)
        proto = model.inlined(INLINE_LIMIT_BYTES)
        if proto is None:
            raise input_error(
                f"segment {segment.name!r}",
                "its weights are too large to measure it",
                "measure a smaller network",
            )
        names = _Names(number, activations)
        for tensor in proto.graph.initializer:
            tensor.name = names.of(tensor.name)
            weights[tensor.name] = tensor
        for node in proto.graph.node:
            _rename(node, names)
            if not made.issuperset(node.output):
                nodes.append(node)
                made.update(node.output)
        for name, info in segment.graph.tensor.items():
            types.setdefault(names.of(name), element_type(info.dtype))
        if proto.ir_version >= header.ir_version:
            header.ir_version = proto.ir_version
            del header.opset_import[:]
            header.opset_import.extend(proto.opset_import)
    return Joined(tuple(nodes), weights, header, types)


@dataclass(frozen=True)
class _Names:
    """Keeps activations' names, and numbers all others by segment: each has weights of its own."""

    segment: int
    activations: Collection[str]

    def of(self, name: str) -> str:
        return name if not name or name in self.activations else f"{name}@{self.segment}"


def _rename(node: NodeProto, names: _Names) -> None:
    node.name = f"{node.name}@{names.segment}"
    for side in (node.input, node.output):
        renamed = [names.of(name) for name in side]
        del side[:]
        side.extend(renamed)
    for _, graph in subgraphs(node):
        own: Iterable[str] = {name for inner in graph.node for name in inner.output}
        own = {*own, *(tensor.name for tensor in graph.initializer), *(value.name for value in graph.input)}
        inner_names = _Names(names.segment, {*names.activations, *own})
        for inner in graph.node:
            _rename(inner, inner_names)
        for value in graph.output:
            value.name = inner_names.of(value.name)
