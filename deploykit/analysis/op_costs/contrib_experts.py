"""Mixtures of experts of the com.microsoft domain: each token passes `k` of the experts.

Weights are read of as many experts as the tokens can choose, each once: all of them for a prompt, `k` for one
token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deploykit.analysis.op_costs.contrib_fused import GELU_SIMPLE, TANH_GELU_SIMPLE
from deploykit.analysis.op_costs.contrib_quantized import UNPACK, packed
from deploykit.analysis.op_costs.work import (
    Tensors,
    UnknownOption,
    Work,
    given,
    integer,
    kind,
    layer,
    shape,
    size,
    text,
    with_outputs,
)
from deploykit.artifacts.graph import NodeInfo

ACTIVATIONS = {
    "geglu": (TANH_GELU_SIMPLE + 1, 1),
    "gelu": (GELU_SIMPLE, 1),
    "identity": (0, 0),
    "relu": (1, 0),
    "relu2": (2, 0),
    "silu": (1, 1),
    "swiglu": (2, 1),
}
"""Operations per inner element, simple and special; a gated one multiplies by its other half."""
GATED = ("geglu", "swiglu")


@dataclass(frozen=True)
class Places:
    """Where the inputs of the three layers stand: weights, biases, scales, zero points."""

    weights: tuple[int, int, int]
    biases: tuple[int, int, int]
    stored: tuple[int, ...] = ()


FLOAT = Places((2, 4, 6), (3, 5, 7))
QUANTIZED = Places((2, 5, 8), (4, 7, 10), (3, 6, 9, 11, 12, 13, 15, 16))


def experts(node: NodeInfo, tensors: Tensors) -> Work:
    """MoE: a softmax of the router, then two or three layers per token and chosen expert, and their sum."""
    return _experts(node, tensors, FLOAT)


def quantized_experts(node: NodeInfo, tensors: Tensors) -> Work:
    """QMoE: a MoE whose weights, at their stored bits, are unpacked once where chosen (shift, scale)."""
    if text(node, "quant_type", "int") != "int":
        raise UnknownOption("quant_type", text(node, "quant_type", "int"))
    work = _experts(node, tensors, QUANTIZED)
    bits = integer(node, "expert_weight_bits", 4)
    for number, place in enumerate(QUANTIZED.weights, start=1):
        if given(node, place):
            own = integer(node, f"fc{number}_expert_weight_bits", bits)
            work = packed(work, given(node, place), own)
    weights = {given(node, place) for place in QUANTIZED.weights if given(node, place)}
    return work.plus(UNPACK * sum(access.elements for access in work.reads if access.tensor in weights))


def _experts(node: NodeInfo, tensors: Tensors, places: Places) -> Work:
    dims, (count, rows) = shape(tensors, node.inputs[0]), shape(tensors, node.inputs[2])[:2]
    tokens, hidden, chosen = math.prod(dims[:-1]), dims[-1], integer(node, "k", 1)
    name = text(node, "activation_type", "relu")
    if name not in ACTIVATIONS:
        raise UnknownOption("activation_type", name)
    inner = rows // 2 if name in GATED and integer(node, "swiglu_fusion", 0) else rows
    third = bool(given(node, places.weights[2]))
    routed = tokens * chosen
    simple, special = (ops * routed * inner for ops in ACTIVATIONS[name])
    if third and name not in GATED:
        simple += routed * inner  # the product with the third layer
    widths = (rows, hidden, inner)
    biases = [width for place, width in zip(places.biases, widths, strict=True) if given(node, place)]
    router = tokens * count
    simple += routed * (sum(biases) + 2 * hidden)  # weigh and sum what the experts give
    simple += router * (3 + max(1, math.ceil(math.log2(chosen))))  # softmax, then the k largest
    if integer(node, "normalize_routing_weights", 0):
        simple, special = simple + routed, special + routed
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), dims))
    stored = tuple(given(node, place) for place in places.stored if given(node, place))
    read = min(count, routed)
    parts = (*stored, *(given(node, place) for place in (*places.weights, *places.biases)))
    return layer(
        node,
        tensors,
        macs=routed * hidden * (rows + inner + third * inner),
        simple=simple,
        special=special + 2 * router,
        partly={part: size(tensors, part) * read // count for part in parts if part},
        stored=stored,
    )
