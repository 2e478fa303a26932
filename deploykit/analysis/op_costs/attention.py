"""Attention and what stands around it in transformers."""

from __future__ import annotations

from deploykit.analysis.op_costs.work import Tensors, Work, given, integer, layer, shape, size, text
from deploykit.artifacts.graph import NodeInfo


def attention(node: NodeInfo, tensors: Tensors) -> Work:
    """Attention: MACs for query x key and probability x value, and a softmax over the scores.

    The scores stay on chip: the node is one operation. With is_causal, only the scores that the mask leaves
    count.
    """
    query, key, value = (shape(tensors, name) for name in node.inputs[:3])
    heads = query[1] if len(query) == 4 else integer(node, "q_num_heads", 1)
    kv_heads = key[1] if len(key) == 4 else integer(node, "kv_num_heads", 1)
    depth = query[3] if len(query) == 4 else query[2] // heads
    value_depth = value[3] if len(value) == 4 else value[2] // kv_heads
    past = shape(tensors, given(node, 4))[2] if given(node, 4) else 0
    steps, span = query[-2], key[-2] + past
    scores = query[0] * heads * _pairs(node, steps, span)
    scalings = 1 + bool(given(node, 3)) + (2 if node.attribute("softcap", 0.0) else 0)
    special = 2 + bool(node.attribute("softcap", 0.0))
    return layer(
        node,
        tensors,
        macs=scores * (depth + value_depth),
        simple=scores * (3 + scalings),
        special=scores * special,
    )


def linear_attention(node: NodeInfo, tensors: Tensors) -> Work:
    """LinearAttention: per step and head, add k v^T to the state and read q S; a delta rule reads k S too."""
    query, value = shape(tensors, node.inputs[0]), shape(tensors, node.inputs[2])
    heads, kv_heads = integer(node, "q_num_heads", 1), integer(node, "kv_num_heads", 1)
    depth, value_depth = query[2] // heads, value[2] // kv_heads
    rule = text(node, "update_rule", "gated_delta")
    state = query[0] * query[1] * depth * value_depth
    decayed, corrected = "gated" in rule, "delta" in rule
    return layer(
        node,
        tensors,
        macs=state * (heads + kv_heads * (1 + corrected)),
        simple=state * kv_heads * decayed + query[0] * query[1] * kv_heads * value_depth * 2 * corrected,
        special=query[0] * query[1] * kv_heads * depth * decayed,
    )


def rotary_embedding(node: NodeInfo, tensors: Tensors) -> Work:
    """RotaryEmbedding: two multiplications and one addition per rotated element."""
    dims = shape(tensors, node.inputs[0])
    elements = size(tensors, node.inputs[0])
    depth = dims[3] if len(dims) == 4 else dims[2] // integer(node, "num_heads", 1)
    rotated = integer(node, "rotary_embedding_dim", 0) or depth
    return layer(node, tensors, simple=3 * elements * rotated // depth)


def causal_pairs(steps: int, span: int, *, window: int = 0) -> int:
    """Count the (query, key) pairs of one head that a causal mask leaves: query i sees keys up to i + span -
    steps, and of these the last `window` where there is one."""
    seen = (max(0, min(span, step + 1 + span - steps)) for step in range(steps))
    return sum(min(keys, window) if window else keys for keys in seen)


def _pairs(node: NodeInfo, steps: int, span: int) -> int:
    return causal_pairs(steps, span) if integer(node, "is_causal", 0) else steps * span
