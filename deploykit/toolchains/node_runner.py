"""Runs a partition one node at a time in onnxruntime: each node is a network of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from deploykit.artifacts.graph import NodeInfo, TensorInfo, reads
from deploykit.artifacts.model import Partition, Segment
from deploykit.core.dtypes import element_type
from deploykit.core.errors import input_error
from deploykit.core.graph.index import node_reads
from deploykit.core.runtime import open_session, run_session
from deploykit.core.store import Reader

Array: TypeAlias = NDArray[Any]

_PROTO_LIMIT_BYTES = 1 << 30
"""Larger weights are fed as inputs: a protobuf message holds 2 GiB."""


class NodeRunner:
    """All nodes of a partition by id, each with the weights that it reads.

    Nothing is fused and every node runs by itself, so that its results are those of the whole network in
    `core.runtime`'s exact mode, bit for bit.
    """

    def __init__(self, partition: Partition, reader: Reader) -> None:
        self._nodes: dict[str, tuple[ModelProto, NodeProto, NodeInfo]] = {}
        self._tensors: dict[str, TensorInfo] = {}
        self._weights: dict[str, TensorProto] = {}
        self._fed: dict[str, dict[str, Array]] = {}
        self._sessions: dict[str, Any] = {}
        for segment in partition.segments:
            self._add(segment, reader)

    def weight(self, name: str) -> Array | None:
        """Give a weight's values, or None where a name is no weight."""
        tensor = self._weights.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def run(self, node: NodeInfo, values: Mapping[str, Array]) -> dict[str, Array]:
        """Run a node on the values of what it reads; gives its results by name.

        Raises:
            InputError: onnxruntime cannot run it alone, as it reads or gives what is no tensor.
        """
        label = f"{node.op} {node.id!r}"
        if node.id not in self._sessions:
            self._sessions[node.id] = open_session(self._model(node), exact=True, name=label)
        fed = {name: values[name] for name in _read(node) if name in values and name not in self._weights}
        fed |= self._fed[node.id]
        names = [name for name in node.outputs if name]
        results = run_session(self._sessions[node.id], fed, names, name=label)
        return dict(zip(names, results, strict=True))

    def _add(self, segment: Segment, reader: Reader) -> None:
        model = onnx.load(str(reader.folder(segment.files) / segment.files[0].name))
        made = {tuple(node.output): node for node in model.graph.node}
        for node in segment.graph.nodes:
            self._nodes[node.id] = (model, made[node.outputs], node)
        self._tensors.update(segment.graph.tensor)
        self._weights.update({tensor.name: tensor for tensor in model.graph.initializer})

    def _model(self, node: NodeInfo) -> bytes:
        model, proto, _ = self._nodes[node.id]
        names = node_reads(proto)
        self._fed[node.id] = {}
        held, inputs = [], []
        for name in names:
            weight = self._weights.get(name)
            if weight is not None and weight.ByteSize() < _PROTO_LIMIT_BYTES:
                held.append(weight)
                continue
            if weight is not None:
                self._fed[node.id][name] = numpy_helper.to_array(weight)
            inputs.append(helper.make_tensor_value_info(name, self._code(name, node), None))
        outputs = [ValueInfoProto(name=name) for name in node.outputs if name]
        graph = helper.make_graph([proto], "node", inputs, outputs, held)
        alone = helper.make_model(
            graph, opset_imports=model.opset_import, ir_version=model.ir_version, functions=model.functions
        )
        content: bytes = alone.SerializeToString()
        return content

    def _code(self, name: str, node: NodeInfo) -> int:
        info = self._tensors.get(name)
        if info is None or info.dtype == "undefined":
            raise input_error(
                f"{node.op} {node.id!r}",
                f"it reads {name!r}, which is no tensor of a known type",
            )
        return element_type(info.dtype)


def _read(node: NodeInfo) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reads(node)))
