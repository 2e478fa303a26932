"""What one operation has to do, whatever hardware does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from deploykit.artifacts.graph import NodeInfo, TensorInfo

Role: TypeAlias = Literal["weight", "bias", "stored", "activation"]
"""What an element is to its operation; `stored` is a weight that keeps its type under every scheme, such as
the scale of a block of weights."""

Tensors: TypeAlias = Mapping[str, TensorInfo]


@dataclass(frozen=True)
class Access:
    """Elements of one tensor that an operation reads or writes; `dtype` is the tensor's own ONNX type."""

    tensor: str
    dtype: str
    role: Role
    elements: int


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates, vector operations, and the elements that move.

    A vector operation is one add, multiply, comparison ... of one element. `special_ops` says how many of
    them are functions that take a table or several cycles: exp, log, root, division, power, erf, tanh,
    sigmoid, sine ...
    """

    macs: int = 0
    vector_ops: int = 0
    special_ops: int = 0
    reads: tuple[Access, ...] = ()
    writes: tuple[Access, ...] = ()

    @property
    def weight_elements(self) -> int:
        """Elements of weights and biases that are read."""
        return sum(access.elements for access in self.reads if access.role != "activation")

    @property
    def read_elements(self) -> int:
        """Elements of activations that are read."""
        return sum(access.elements for access in self.reads if access.role == "activation")

    @property
    def write_elements(self) -> int:
        """Elements that are written."""
        return sum(access.elements for access in self.writes)

    def plus(self, simple: int, *, special: int = 0) -> Work:
        """Give the work with more vector operations, on the same elements."""
        return replace(
            self,
            vector_ops=self.vector_ops + simple + special,
            special_ops=self.special_ops + special,
        )

    def times(self, count: int) -> Work:
        """Give the work of doing this `count` times."""
        return Work(
            self.macs * count,
            self.vector_ops * count,
            self.special_ops * count,
            tuple(replace(access, elements=access.elements * count) for access in self.reads),
            tuple(replace(access, elements=access.elements * count) for access in self.writes),
        )


Cost: TypeAlias = Callable[[NodeInfo, Tensors], Work]
"""Gives a node's work from its attributes and from the sizes of its tensors."""


class UnknownSize(Exception):
    """A tensor's size is needed and neither its shape nor an upper bound of it is known."""

    def __init__(self, tensor: str) -> None:
        self.tensor = tensor
        super().__init__(tensor)


class UnknownOption(Exception):
    """An attribute has a value whose cost is not known."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value
        super().__init__(name)


def total(works: Iterable[Work]) -> Work:
    """Add works up; accesses are kept one by one."""
    parts = list(works)
    return Work(
        sum(work.macs for work in parts),
        sum(work.vector_ops for work in parts),
        sum(work.special_ops for work in parts),
        tuple(access for work in parts for access in work.reads),
        tuple(access for work in parts for access in work.writes),
    )


def known_size(tensor: TensorInfo | None) -> tuple[int, ...] | None:
    """Give a tensor's shape if all its dims are numbers, else its upper bound, else None."""
    if tensor is None:
        return None
    if tensor.shape is not None:
        sizes = tuple([dim for dim in tensor.shape if isinstance(dim, int)])
        if len(sizes) == len(tensor.shape):
            return sizes
    return tensor.upper_bound


def shape(tensors: Tensors, name: str) -> tuple[int, ...]:
    """Give a tensor's shape, or the largest one that it can take.

    Raises:
        UnknownSize: neither is known.
    """
    found = known_size(tensors.get(name))
    if found is None:
        raise UnknownSize(name)
    return found


def size(tensors: Tensors, name: str) -> int:
    """Give a tensor's element count; an absent one ("") has none."""
    return math.prod(shape(tensors, name)) if name else 0


def given(node: NodeInfo, index: int) -> str:
    """Give the name of an input, "" where it is absent."""
    return node.inputs[index] if index < len(node.inputs) else ""


def integer(node: NodeInfo, name: str, default: int) -> int:
    """Give an integer attribute."""
    value = node.attribute(name, default)
    return int(value) if isinstance(value, (int, float)) else default


def text(node: NodeInfo, name: str, default: str) -> str:
    """Give a text attribute."""
    return str(node.attribute(name, default))


def integers(node: NodeInfo, name: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Give an attribute that is a list of integers."""
    value = node.attribute(name, default)
    return tuple(int(item) for item in value) if isinstance(value, tuple) else default


def kind(tensors: Tensors, name: str) -> str:
    """Give a tensor's element type."""
    return tensors[name].dtype if name in tensors else "undefined"


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape that these broadcast to, aligned at the right."""
    rank = max(map(len, shapes))
    aligned = [(1,) * (rank - len(dims)) + dims for dims in shapes]
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in zip(*aligned, strict=True))


def with_outputs(node: NodeInfo, tensors: Tensors, *outputs: tuple[str, tuple[int, ...]] | None) -> Tensors:
    """Give the tensors with those outputs known that shape inference left open.

    `outputs` are the types and shapes that the operator defines, in its order; what is known already stays.
    """
    made: dict[str, TensorInfo] = {}
    for name, defined in zip(node.outputs, outputs, strict=False):
        if not name or defined is None:
            continue
        info = tensors.get(name, TensorInfo(name, "undefined", None))
        dtype = defined[0] if info.dtype == "undefined" else info.dtype
        dims = info.shape if known_size(info) is not None else defined[1]
        made[name] = replace(info, dtype=dtype, shape=dims)
    return {**tensors, **made}


def read(tensors: Tensors, name: str, *, elements: int | None = None, role: Role | None = None) -> Access:
    """Make the access to a tensor: all its elements unless `elements` says how many."""
    info = tensors.get(name)
    own: Role = "weight" if info is not None and info.is_weight else "activation"
    count = size(tensors, name) if elements is None else elements
    return Access(name, info.dtype if info else "float", role or own, count)


def layer(
    node: NodeInfo,
    tensors: Tensors,
    *,
    macs: int = 0,
    simple: int = 0,
    special: int = 0,
    partly: Mapping[str, int] | None = None,
    bias: str = "",
    stored: tuple[str, ...] = (),
) -> Work:
    """Make the work of a node that reads its inputs and writes its outputs once each.

    `simple` and `special` are its vector operations; `partly` gives the elements read of inputs that are not
    read whole; `bias` names the input that is added per channel (a weight of higher precision in quantized
    layers); `stored` names weights that keep their type under every scheme.
    """
    part = dict(partly or {})
    roles: dict[str, Role] = {**dict.fromkeys(stored, "stored"), bias: "bias"}
    reads = tuple(
        read(
            tensors,
            name,
            elements=part.get(name),
            role=roles.get(name) if name in tensors and tensors[name].is_weight else None,
        )
        for name in dict.fromkeys(node.inputs)
        if name
    )
    writes = tuple(
        replace(read(tensors, name, elements=part.get(name)), role="activation")
        for name in node.outputs
        if name
    )
    return Work(macs, simple + special, special, reads, writes)
