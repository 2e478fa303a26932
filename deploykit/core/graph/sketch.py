"""Write a small network layer by layer, with random weights: for measurements, where values don't matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 21


class Sketch:
    """A network in the making. Layers take and give tensor names; `shape` knows each tensor's.

    Weights are normal with variance 2 / inputs, so that values neither vanish nor grow along the network.
    """

    def __init__(self, name: str, *, seed: int = 0) -> None:
        self.name = name
        self.shape: dict[str, tuple[int, ...]] = {}
        self._inputs: list[str] = []
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._random = numpy.random.default_rng(seed)

    def input(self, *shape: int) -> str:
        """Add an input."""
        name = f"input_{len(self._inputs)}"
        self._inputs.append(name)
        self.shape[name] = shape
        return name

    def op(self, kind: str, inputs: Sequence[str], shape: Sequence[int], **attributes: Any) -> str:
        """Add any operator with one output, whose shape the caller knows."""
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        self.shape[name] = tuple(shape)
        return name

    def weight(self, *shape: int, inputs: int = 0) -> str:
        """Add a weight; `inputs` is how many products are added up (0: the tensor is zero)."""
        scale = math.sqrt(2 / inputs) if inputs else 0.0
        return self._constant((self._random.standard_normal(shape) * scale).astype(numpy.float32))

    def integers(self, *values: int) -> str:
        """Add a list of integers, such as a shape."""
        return self._constant(numpy.array(values, dtype=numpy.int64))

    def conv(
        self, x: str, channels: int, kernel: int = 3, *, stride: int = 1, groups: int = 1, act: str = "Relu"
    ) -> str:
        """Add a convolution with bias, "same" padding and an activation ("" for none)."""
        batch, depth, height, width = self.shape[x]
        inputs = depth // groups
        weight = self.weight(channels, inputs, kernel, kernel, inputs=inputs * kernel * kernel)
        pad = kernel // 2
        size = [(side + 2 * pad - kernel) // stride + 1 for side in (height, width)]
        y = self.op(
            "Conv",
            (x, weight, self.weight(channels)),
            (batch, channels, *size),
            kernel_shape=[kernel, kernel],
            pads=[pad] * 4,
            strides=[stride, stride],
            group=groups,
        )
        return self.unary(act, y) if act else y

    def dense(self, x: str, outputs: int, *, act: str = "") -> str:
        """Add a product of the last axis with a weight, and a bias."""
        inputs = self.shape[x][-1]
        shape = (*self.shape[x][:-1], outputs)
        y = self.op("MatMul", (x, self.weight(inputs, outputs, inputs=inputs)), shape)
        y = self.op("Add", (y, self.weight(outputs)), shape)
        return self.unary(act, y) if act else y

    def unary(self, kind: str, x: str, **attributes: Any) -> str:
        """Add an operator that keeps the shape."""
        return self.op(kind, (x,), self.shape[x], **attributes)

    def add(self, x: str, y: str) -> str:
        """Add two tensors of one shape."""
        return self.op("Add", (x, y), self.shape[x])

    def multiply(self, x: str, y: str) -> str:
        """Multiply; the second one may have one value a channel."""
        return self.op("Mul", (x, y), self.shape[x])

    def concat(self, *tensors: str) -> str:
        """Join channels."""
        batch, _, *rest = self.shape[tensors[0]]
        return self.op("Concat", tensors, (batch, sum(self.shape[t][1] for t in tensors), *rest), axis=1)

    def pool(self, x: str, kernel: int = 2, *, stride: int = 2, kind: str = "MaxPool") -> str:
        """Add a pooling with "same" padding for odd kernels."""
        batch, depth, *sides = self.shape[x]
        pad = kernel // 2 if kernel % 2 else 0
        size = [(side + 2 * pad - kernel) // stride + 1 for side in sides]
        return self.op(
            kind,
            (x,),
            (batch, depth, *size),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[pad] * 4,
        )

    def average(self, x: str) -> str:
        """Add a global average pooling."""
        return self.op("GlobalAveragePool", (x,), (*self.shape[x][:2], 1, 1))

    def upsample(self, x: str) -> str:
        """Double the size, by the nearest value."""
        batch, depth, height, width = self.shape[x]
        scales = self._constant(numpy.array([1, 1, 2, 2], dtype=numpy.float32))
        return self.op(
            "Resize",
            (x, "", scales),
            (batch, depth, 2 * height, 2 * width),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )

    def reshape(self, x: str, *shape: int) -> str:
        """Give the values another shape."""
        return self.op("Reshape", (x, self.integers(*shape)), shape)

    def transpose(self, x: str, *order: int) -> str:
        """Turn the axes."""
        return self.op("Transpose", (x,), [self.shape[x][axis] for axis in order], perm=list(order))

    def norm(self, x: str) -> str:
        """Add a LayerNormalization over the last axis."""
        size = self.shape[x][-1]
        ones = self._constant(numpy.ones(size, dtype=numpy.float32))
        return self.op("LayerNormalization", (x, ones, self.weight(size)), self.shape[x], axis=-1)

    def attention(self, x: str, heads: int) -> str:
        """Add multi-head self-attention over (batch, tokens, width)."""
        batch, tokens, width = self.shape[x]
        size = width // heads

        def split(y: str, *order: int) -> str:
            return self.transpose(self.reshape(y, batch, tokens, heads, size), *order)

        queries = split(self.dense(x, width), 0, 2, 1, 3)
        keys = split(self.dense(x, width), 0, 2, 3, 1)
        values = split(self.dense(x, width), 0, 2, 1, 3)
        scale = self._constant(numpy.array(size**-0.5, dtype=numpy.float32))
        scores = self.op("MatMul", (queries, keys), (batch, heads, tokens, tokens))
        scores = self.unary("Softmax", self.multiply(scores, scale), axis=-1)
        mixed = self.op("MatMul", (scores, values), (batch, heads, tokens, size))
        return self.dense(self.reshape(self.transpose(mixed, 0, 2, 1, 3), batch, tokens, width), width)

    def model(self, *outputs: str) -> onnx.ModelProto:
        """Give the network with these outputs."""

        def value(name: str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shape[name])

        graph = helper.make_graph(
            self._nodes,
            self.name,
            [value(name) for name in self._inputs],
            [value(name) for name in outputs],
            self._weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)

    def _constant(self, values: numpy.typing.NDArray[numpy.generic]) -> str:
        name = f"constant_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(values, name))
        return name
