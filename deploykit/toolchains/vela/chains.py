"""Values that nothing rounds between two functions of one value: their range follows from the codes before.

A hard swish or SiLU that is written as several operators is rounded once, behind the last. TensorFlow Lite
wants codes between them too. What comes before has 256 codes (or 65536), so that all values of the inner
tensors can be computed: their codes span just these.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy

from deploykit.toolchains.vela.lowering import Lowering, constant_codes
from deploykit.toolchains.vela.operators.pointwise import FIXED
from deploykit.toolchains.vela.program import Array
from deploykit.toolchains.vela.qdq import CODE_RANGE, Codes, Constant, Node, QdqNetwork, Read, bounds_of

BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "Add": numpy.add,
    "Sub": numpy.subtract,
    "Mul": numpy.multiply,
    "Div": numpy.divide,
}

UNARY: dict[str, Callable[[Array], Array]] = {
    "Abs": numpy.abs,
    "HardSwish": lambda x: x * numpy.clip(x / 6 + 0.5, 0, 1),
    "Identity": lambda x: x,
    "Neg": numpy.negative,
    "Sigmoid": lambda x: 1 / (1 + numpy.exp(-numpy.clip(x, -60, 60))),
    "Tanh": numpy.tanh,
}

SQUASHING = {"Sigmoid": "LOGISTIC", "Tanh": "TANH"}
"""Functions whose kernels fix the codes of their results."""

WIDEST_CONSTANT = 4096


def derive_chain_codes(low: Lowering) -> None:
    """Give codes to all inner tensors of chains whose ends have some."""
    found = _values(low)
    readers: dict[str, list[Node]] = {}
    for node in low.network.nodes:
        for read in node.reads:
            readers.setdefault(read.root, []).append(node)
    kept = set(found) - {read.root for _, read in low.network.outputs}
    while gone := {root for root in kept if not _ends_in_codes(low, readers.get(root, []), kept)}:
        kept -= gone
    for root in found:
        if root in kept:
            low.derive(root, found[root])


def fold_hard_swish(network: QdqNetwork) -> None:
    """Put x * clip(x + 3, 0, 6) / 6 into one operator."""
    made = {name: node for node in network.nodes for name in node.outputs}
    counts: dict[str, int] = {}
    for node in network.nodes:
        for read in node.reads:
            counts[read.root] = counts.get(read.root, 0) + 1
    gone: set[int] = set()
    for last in network.nodes:
        product = _before(last, made) if _is_sixth(last) else None
        if product is None or product.op != "Mul" or len(product.reads) != 2:
            continue
        for gate, source in (product.reads, product.reads[::-1]):
            shift = made.get(gate.root)
            lonely = counts[gate.root] == 1 and counts[product.outputs[0]] == 1
            if shift is not None and lonely and gate.codes is None and _is_shift(shift, source):
                last.op, last.inputs, last.attributes = "HardSwish", [source], {}
                gone |= {id(product), id(shift)}
                break
    network.nodes = [node for node in network.nodes if id(node) not in gone]


def _before(node: Node, made: dict[str, Node]) -> Node | None:
    read = node.reads[0]
    return made.get(read.root) if read.codes is None else None


def _is_sixth(node: Node) -> bool:
    constant = next((operand for operand in node.inputs if isinstance(operand, Constant)), None)
    if constant is None or constant.values.size != 1 or len(node.reads) != 1 or len(node.inputs) != 2:
        return False
    wanted = {"Div": 6.0, "Mul": 1 / 6}.get(node.op)
    first = node.op == "Div" and not isinstance(node.inputs[0], Read)
    return (
        wanted is not None
        and not first
        and math.isclose(float(constant.values.reshape(())), wanted, rel_tol=1e-2)
    )


def _is_shift(node: Node, source: Read) -> bool:
    constant = next((operand for operand in node.inputs if isinstance(operand, Constant)), None)
    return (
        node.op == "Add"
        and (node.low, node.high) == (0.0, 6.0)
        and node.reads == [source]
        and constant is not None
        and constant.values.size == 1
        and math.isclose(float(constant.values.reshape(())), 3.0, rel_tol=1e-2)
    )


def _values(low: Lowering) -> dict[str, Codes]:
    """Give the codes of each tensor that is a function of one value in codes, and has none of its own."""
    values: dict[str, tuple[str, Array]] = {}
    found: dict[str, Codes] = {}
    for node in low.network.nodes:
        operands = [_operand(operand, values) for operand in node.inputs]
        sources = {source for source, _ in (item for item in operands if item) if source}
        if len(sources) != 1 or len(node.outputs) != 1 or low.codes_written(node.outputs[0]):
            continue
        arrays = [item[1] for item in operands if item]
        result = _computed(node, arrays) if len(arrays) == len(operands) else None
        if result is None:
            continue
        (source,) = sources
        root = node.outputs[0]
        values[root] = source, numpy.clip(result, node.low, node.high)
        dtype = source.partition(":")[0]
        fixed = FIXED.get((SQUASHING.get(node.op, ""), dtype))
        found[root] = fixed or constant_codes(values[root][1], dtype)
    return found


def _operand(operand: object, values: dict[str, tuple[str, Array]]) -> tuple[str, Array] | None:
    """Give an operand's source ("" for a constant) and values: a row a code, a column an element."""
    if isinstance(operand, Constant):
        small = operand.values.size <= WIDEST_CONSTANT and operand.values.size > 0
        return ("", operand.values.reshape(1, -1).astype(numpy.float64)) if small else None
    if not isinstance(operand, Read):
        return None
    if operand.codes is None:
        return values.get(operand.root)
    low, high = CODE_RANGE[operand.codes.dtype]
    step = 1 if operand.codes.dtype == "int8" else 64
    grid = numpy.append(numpy.arange(low, high, step), high) - operand.codes.zero_point
    return f"{operand.codes.dtype}:{operand.root}", grid.reshape(-1, 1) * operand.codes.scale


def _computed(node: Node, operands: list[Array]) -> Array | None:
    if node.op in BINARY and len(operands) == 2:
        wide = max(operand.shape[1] for operand in operands)
        if any(operand.shape[1] not in (1, wide) for operand in operands):
            return None
        with numpy.errstate(divide="ignore", invalid="ignore"):
            result = BINARY[node.op](*operands)
        return result if numpy.isfinite(result).all() else None
    if node.op in ("Relu", "Clip"):
        return numpy.asarray(numpy.clip(operands[0], *bounds_of(node)))
    if len(operands) != 1:
        return None
    if node.op == "HardSigmoid":
        alpha, beta = float(node.attributes.get("alpha", 0.2)), float(node.attributes.get("beta", 0.5))
        return numpy.asarray(numpy.clip(alpha * operands[0] + beta, 0, 1))
    if node.op == "LeakyRelu":
        slope = float(node.attributes.get("alpha", 0.01))
        return numpy.maximum(operands[0], 0) + slope * numpy.minimum(operands[0], 0)
    return UNARY[node.op](operands[0]) if node.op in UNARY else None


def _ends_in_codes(low: Lowering, readers: list[Node], kept: set[str]) -> bool:
    """Say whether all that read a value write codes, or values that get some."""
    return bool(readers) and all(
        low.codes_written(node.outputs[0]) is not None or node.outputs[0] in kept for node in readers
    )
