"""Whether the images of a batch never meet in a network: Vela compiles batches of one only."""

from __future__ import annotations

from collections.abc import Callable

from deploykit.toolchains.vela.qdq import Constant, Node, QdqNetwork, mean_axes

Shape = Callable[[str], tuple[int, ...]]

ROWS = frozenset({"Concat", "Gather", "Softmax", "Split"})
"""Operators that work along their `axis`."""


def batch_size(network: QdqNetwork, shape: Shape) -> int:
    """Give the size of the batch that a network can be run apart in, 1 where it has none or mixes it."""
    sizes = {shape(name)[0] if len(shape(name)) > 1 else 1 for name in network.inputs}
    if len(sizes) != 1:
        return 1
    (size,) = sizes
    return size if all(_keeps_apart(node, size, shape) for node in network.nodes) else 1


def _keeps_apart(node: Node, size: int, shape: Shape) -> bool:
    shapes = [shape(read.root) for read in node.reads] + [shape(name) for name in node.outputs if name]
    if any(len(found) < 2 or found[0] != size for found in shapes):
        return False
    rank = len(shapes[0])
    axis = int(node.attributes.get("axis", -1 if node.op == "Softmax" else 0)) % rank
    if node.op in ROWS and axis == 0:
        return False
    if node.op in ("ReduceMean", "GlobalAveragePool") and 0 in mean_axes(node, rank):
        return False
    if node.op == "Transpose" and (node.attributes.get("perm") or (rank,))[0] != 0:
        return False
    constants = [operand.values for operand in node.inputs if isinstance(operand, Constant)]
    if node.op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "MatMul"):
        return all(values.ndim < rank or values.shape[0] == 1 for values in constants) or node.op == "MatMul"
    if node.op == "Slice":
        return shapes[0][0] == shapes[-1][0]
    return True
