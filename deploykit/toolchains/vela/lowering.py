"""Turn a QDQ network into a TensorFlow Lite program, with the network's own scales.

An operator computes on codes where everything that it reads and writes has some, else in float, which leaves
it to the CPU. A tensor that is wanted in other codes or another layout gets an operator that converts it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from deploykit.artifacts.graph import TensorInfo
from deploykit.artifacts.precision import network_name
from deploykit.core.errors import Fault, InputError
from deploykit.toolchains.vela.batches import batch_size
from deploykit.toolchains.vela.program import (
    NONE,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    Array,
    Layout,
    Operator,
    OptionValue,
    Program,
    Tensor,
    View,
)
from deploykit.toolchains.vela.qdq import Codes, Constant, Node, Operand, QdqNetwork, Read, symmetric16

TO_NHWC = (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)


@dataclass(frozen=True)
class Made:
    """A tensor of the program that holds a value of the network."""

    tensor: str
    codes: Codes | None
    layout: Layout


class Lowering:
    """Builds a program operator by operator; `operators.EMITTERS` write the single ones."""

    def __init__(
        self, network: QdqNetwork, known: Mapping[str, TensorInfo], *, longest_stride: int = 3
    ) -> None:
        self.network = network
        self.longest_stride = longest_stride
        self._known = known
        self._batch = 1
        self._batch = batch_size(network, self.shape)
        self.program = Program(batch=self._batch)
        self._made: dict[str, list[Made]] = {}
        self._derived: dict[str, Codes] = {}

    def shape(self, root: str) -> tuple[int, ...]:
        """Give the ONNX shape of a value, for one image of a batch that is taken apart."""
        info = self._known[network_name(root).removesuffix("::equalised")]
        sizes = tuple(int(size) for size in info.shape or () if isinstance(size, int))
        return (1, *sizes[1:]) if self._batch > 1 else sizes

    def integer(self, node: Node) -> bool:
        """Say whether a node computes on codes."""
        return all(self.codes_read(read) for read in node.reads) and all(
            self.codes_written(name) for name in node.outputs if name
        )

    def codes_read(self, read: Read) -> Codes | None:
        """Give the codes in which a value is read."""
        return read.codes or self._derived.get(read.root)

    def codes_written(self, root: str) -> Codes | None:
        """Give the codes in which a value is written."""
        wanted = self.network.codes_of.get(root)
        return wanted[0] if wanted else self._derived.get(root)

    def derive(self, root: str, codes: Codes) -> None:
        """Give a value that is rounded nowhere the codes that its reader can use."""
        self._derived[root] = codes

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        codes: Codes | None = None,
        *,
        scales: Sequence[float] = (),
        axis: int = 0,
        data: Array | None = None,
    ) -> str:
        """Add a tensor; gives its name, which is made unique."""
        unique, count = name, 1
        while unique in self.program.tensors:
            count += 1
            unique = f"{name}::{count}"
        factors = (codes.scale,) if codes else tuple(float(scale) for scale in scales)
        zeros = (codes.zero_point,) if codes else (0,) * len(factors)
        self.program.tensors[unique] = Tensor(unique, tuple(shape), dtype, factors, zeros, axis, data)
        return unique

    def constant(self, name: str, values: Array) -> str:
        """Add a constant without codes: an axis, a shape, a float."""
        return self.tensor(name, values.shape, str(values.dtype), data=values)

    def integers(self, name: str, values: Sequence[int]) -> str:
        """Add a list of int32."""
        return self.constant(name, numpy.array(values, numpy.int32))

    def encoded(self, name: str, values: Array, codes: Codes | None) -> str:
        """Add a constant in codes, or in float."""
        if codes is None:
            return self.constant(name, values.astype(numpy.float32))
        low, high = numpy.iinfo(codes.dtype).min, numpy.iinfo(codes.dtype).max
        data = numpy.clip(numpy.rint(values / codes.scale) + codes.zero_point, low, high)
        return self.tensor(name, values.shape, codes.dtype, codes, data=data.astype(codes.dtype))

    def emit(
        self,
        code: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        options: str = "",
        **values: OptionValue,
    ) -> None:
        """Add an operator; `values` are the fields of its options."""
        self.program.operators.append(Operator(code, tuple(inputs), tuple(outputs), options, values))

    def made(self, root: str, tensor: str, codes: Codes | None, layout: Layout) -> None:
        """Tell that a tensor of the program holds a value."""
        found = self._made.setdefault(root, [])
        if not found:
            self.program.views.setdefault(network_name(root), View(tensor, layout))
        found.append(Made(tensor, codes, layout))

    def output(self, node: Node, layout: Layout, at: int = 0, codes: Codes | None = None) -> str:
        """Add the tensor that a node writes, in its codes (or in others, which a kernel fixes)."""
        root = node.outputs[at]
        codes = (codes or self.codes_written(root)) if self.integer(node) else None
        shape = self.shape(root)
        layout = layout if len(shape) == 4 else "nchw"
        dtype = codes.dtype if codes else "float32"
        name = self.tensor(network_name(root), arranged(shape, layout), dtype, codes)
        self.made(root, name, codes, layout)
        return name

    def written(self, node: Node) -> Codes | None:
        """Give the codes in which a node computes its result, None for float."""
        return self.codes_written(node.outputs[0]) if self.integer(node) else None

    def layout_of(self, read: Read) -> Layout:
        """Give the layout in which a value is there already."""
        return self._made[read.root][0].layout

    def read(self, node: Node, at: int, layout: Layout, codes: Codes | None = None) -> str:
        """Give a node's activation in its codes (or the given ones) and a layout, converted where needed."""
        operand = node.inputs[at]
        assert isinstance(operand, Read)
        wanted = (codes or self.codes_read(operand)) if self.integer(node) else None
        return self.get(operand.root, wanted, layout)

    def get(self, root: str, codes: Codes | None, layout: Layout) -> str:
        """Give a value in codes (None: float) and a layout."""
        layout = layout if len(self.shape(root)) == 4 else "nchw"
        found = self._made[root]
        for made in found:
            if made.codes == codes and made.layout == layout:
                return made.tensor
        near = next((made for made in found if made.codes == codes), found[0])
        if near.codes != codes:
            near = self._converted(root, near, codes)
        return near.tensor if near.layout == layout else self._arranged(root, near, layout)

    def _converted(self, root: str, made: Made, codes: Codes | None) -> Made:
        dtype = codes.dtype if codes else "float32"
        kind = "rounded" if codes else "real"
        name = self.tensor(
            f"{network_name(root)}::{kind}", arranged(self.shape(root), made.layout), dtype, codes
        )
        code, options = ("QUANTIZE", "QuantizeOptions") if codes else ("DEQUANTIZE", "DequantizeOptions")
        self.emit(code, [made.tensor], [name], options)
        self.made(root, name, codes, made.layout)
        return Made(name, codes, made.layout)

    def _arranged(self, root: str, made: Made, layout: Layout) -> str:
        shape = arranged(self.shape(root), layout)
        name = self.tensor(
            f"{network_name(root)}::{layout}",
            shape,
            made.codes.dtype if made.codes else "float32",
            made.codes,
        )
        order = TO_NHWC if layout == "nhwc" else TO_NCHW
        self.permute(made.tensor, name, order)
        self.made(root, name, made.codes, layout)
        return name

    def permute(self, source: str, target: str, order: Sequence[int]) -> None:
        """Move axes; where only axes of size 1 move, the bytes stay as they are."""
        before = self.program.tensors[source].shape
        real = [axis for axis in order if before[axis] != 1]
        if real == sorted(real):
            self.reshape(source, target)
        else:
            axes = self.integers(f"{target}::order", order)
            self.emit("TRANSPOSE", [source, axes], [target], "TransposeOptions")

    def reshape(self, source: str, target: str) -> None:
        """Give the same bytes another shape."""
        shape = self.integers(f"{target}::shape", self.program.tensors[target].shape)
        self.emit("RESHAPE", [source, shape], [target], "ReshapeOptions")

    def fused(self, node: Node, codes: Codes | None) -> int:
        """Give the schema's activation for a node's bounds; NONE where the codes end there anyway.

        Raises:
            InputError: bounds that neither say.
        """
        ends = (node.low, node.high)
        if ends == (-math.inf, math.inf):
            return NONE
        named = {(0.0, math.inf): RELU, (0.0, 6.0): RELU6, (-1.0, 1.0): RELU_N1_TO_1}
        if ends in named:
            return named[ends]
        if codes is not None and within(codes, node.low, node.high):
            return NONE
        fits = [value for bounds, value in named.items() if bounds[0] == node.low and codes is not None]
        if fits and codes is not None and within(codes, -math.inf, node.high):
            return fits[0]
        where = f"node {node.name!r}"
        what = f"TensorFlow Lite has no bounds {node.low:g} to {node.high:g} behind {node.op}"
        raise InputError(Fault(where, what, "quantize without `fusion` (`quantize: {fusion: false}`)"))

    def broadcast(self, operand: Constant, rank: int, layout: Layout) -> Array:
        """Give a constant with all axes of what it is combined with, in its layout."""
        values = operand.values.reshape([1] * (rank - operand.values.ndim) + list(operand.values.shape))
        return values.transpose(TO_NHWC) if layout == "nhwc" and rank == 4 else values


def within(codes: Codes, low: float, high: float) -> bool:
    """Say whether codes hold nothing outside bounds, but for half a step."""
    return codes.low >= low - codes.scale / 2 and codes.high <= high + codes.scale / 2


def arranged(shape: Sequence[int], layout: Layout) -> tuple[int, ...]:
    """Give an ONNX shape in a layout."""
    if layout == "nhwc" and len(shape) == 4:
        return tuple(shape[axis] for axis in TO_NHWC)
    return tuple(shape)


def constant_codes(values: Array, dtype: str) -> Codes:
    """Spread codes over a constant's values and 0."""
    low, high = float(min(values.min(initial=0.0), 0.0)), float(max(values.max(initial=0.0), 0.0))
    if dtype == "int16":
        return symmetric16(low, high)
    scale = float(numpy.float32(max((high - low) / 255, 1e-12)))
    return Codes(scale, int(numpy.clip(round(-128 - low / scale), -128, 127)), "int8")


def constant_operand(node: Node, at: int) -> Constant:
    """Give a node's input that is a constant."""
    operand: Operand = node.inputs[at]
    assert isinstance(operand, Constant)
    return operand
