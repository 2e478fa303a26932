"""Matrix products."""

from __future__ import annotations

import math

from deploykit.analysis.op_costs.work import Tensors, Work, given, integer, layer, shape, size, text
from deploykit.artifacts.graph import NodeInfo


def matmul(node: NodeInfo, tensors: Tensors) -> Work:
    """MatMul: output elements x the inner size; batch dims broadcast."""
    return layer(node, tensors, macs=_macs(node, tensors))


def matmul_integer(node: NodeInfo, tensors: Tensors) -> Work:
    """MatMulInteger: a MatMul of integers; a zero point costs one subtraction per element that it shifts."""
    shifts = sum(size(tensors, given(node, at - 2)) for at in (2, 3) if given(node, at))
    return layer(node, tensors, macs=_macs(node, tensors), simple=shifts)


def qlinear_matmul(node: NodeInfo, tensors: Tensors) -> Work:
    """QLinearMatMul: a MatMul of integers, then scale, round, shift and clip per output element."""
    return layer(node, tensors, macs=_macs(node, tensors), simple=4 * size(tensors, node.outputs[0]))


def gemm(node: NodeInfo, tensors: Tensors) -> Work:
    """Gemm: M x N x K; per output element one operation for the bias and for each factor that is not 1."""
    first = shape(tensors, node.inputs[0])
    inner = first[0] if integer(node, "transA", 0) else first[1]
    out, bias = size(tensors, node.outputs[0]), given(node, 2)
    scalings = (node.attribute("alpha", 1.0) != 1.0) + (bool(bias) and node.attribute("beta", 1.0) != 1.0)
    return layer(node, tensors, macs=out * inner, simple=out * (bool(bias) + scalings), bias=bias)


def einsum(node: NodeInfo, tensors: Tensors) -> Work:
    """Einsum: operands join from the left; a join that sums is MACs over all its labels, others multiply."""
    terms, result = _labels(text(node, "equation", ""), [len(shape(tensors, name)) for name in node.inputs])
    sizes: dict[str, int] = {}
    for term, name in zip(terms, node.inputs, strict=True):
        for label, dim in zip(term, shape(tensors, name), strict=True):
            sizes[label] = max(dim, sizes.get(label, 1))
    macs = simple = 0
    held = set(terms[0])
    for index, term in enumerate(terms[1:], start=1):
        joined = held | set(term)
        held = joined & set(result).union(*terms[index + 1 :])
        points = math.prod(sizes[label] for label in joined)
        macs, simple = (macs, simple + points) if held == joined else (macs + points, simple)
    if len(terms) == 1 and held != set(result):
        simple = math.prod(sizes[label] for label in held)
    return layer(node, tensors, macs=macs, simple=simple)


def det(node: NodeInfo, tensors: Tensors) -> Work:
    """Det: elimination takes n^3 / 3 MACs and n^2 / 2 divisions a matrix."""
    dims = shape(tensors, node.inputs[0])
    matrices, order = math.prod(dims[:-2]), dims[-1]
    return layer(node, tensors, macs=matrices * order**3 // 3, special=matrices * order**2 // 2)


def _macs(node: NodeInfo, tensors: Tensors) -> int:
    return size(tensors, node.outputs[0]) * shape(tensors, node.inputs[0])[-1]


def _labels(equation: str, ranks: list[int]) -> tuple[list[tuple[str, ...]], tuple[str, ...]]:
    """Split an equation into labels per operand and of the result; "..." becomes #0, #1 ... from the
    right."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = [_term(term, rank) for term, rank in zip(left.split(","), ranks, strict=True)]
    if arrow:
        hidden = max(sum(label.startswith("#") for label in term) for term in terms)
        return terms, _term(right, len(right.replace("...", "")) + (hidden if "..." in right else 0))
    every = [label for term in terms for label in term]
    hidden_labels = sorted({label for label in every if label.startswith("#")}, reverse=True)
    return terms, (
        *hidden_labels,
        *sorted(label for label in every if every.count(label) == 1 and label[0] != "#"),
    )


def _term(term: str, rank: int) -> tuple[str, ...]:
    before, dots, after = term.partition("...")
    hidden = rank - len(before) - len(after) if dots else 0
    return (*before, *(f"#{index}" for index in reversed(range(hidden))), *after)
