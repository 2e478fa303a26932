"""What a rule sees of the node that it replaces, and where it puts the new ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.shapes import value_infos

Array: TypeAlias = NDArray[Any]


class Site:
    """A node, its surroundings, and the nodes and weights that are to stand in its place."""

    def __init__(self, model: OnnxModel, node: NodeProto) -> None:
        self.node = node
        self.opset = model.opset
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._model = model
        self._weights = {tensor.name: tensor for tensor in model.proto.graph.initializer}

    def attribute(self, name: str, default: Any) -> Any:
        """Give an attribute of the node; strings as str."""
        for attribute in self.node.attribute:
            if attribute.name == name:
                value = helper.get_attribute_value(attribute)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def constant(self, name: str) -> Array | None:
        """Give a weight's values; None for what is computed."""
        return self._model.array(self._weights[name]) if name in self._weights else None

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Give a tensor's shape; None where a size is free or unknown."""
        if name in self._weights:
            return tuple(self._weights[name].dims)
        info = value_infos(self._model.proto).get(name)
        if info is None or not info.type.tensor_type.HasField("shape"):
            return None
        sizes = [size.dim_value for size in info.type.tensor_type.shape.dim]
        return tuple(sizes) if all(sizes) else None

    def weight(self, suffix: str, values: Array) -> str:
        """Add a weight; gives its name."""
        name = f"{self.node.output[0]}__{suffix}"
        self.initializers.append(numpy_helper.from_array(numpy.ascontiguousarray(values), name))
        return name

    def add(self, op: str, *inputs: str, to: str = "", **attributes: Any) -> str:  # ONNX's own attributes
        """Add a node that writes `to`, or a tensor of its own; gives the tensor's name."""
        number = len(self.nodes)
        output = to or f"{self.node.output[0]}__{op.lower()}{number}"
        name = f"{self.node.name or self.node.output[0]}__{op}{number}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=name, **attributes))
        return output


Rule: TypeAlias = Callable[[Site], str]
"""Fills a site; gives "" or the reason why the node has to stay."""
