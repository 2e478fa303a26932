"""Attention of the com.microsoft domain: projections, heads that share keys, caches.

The scores stay on chip, as in the default domain's Attention. A cache that past and present share is read
as far as it is filled and written only where it grows; else the past is read and the present written whole,
since the operator copies it. How far a shared cache is filled is the constant `total_sequence_length` or
`past_sequence_length`, else its whole length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from deploykit.analysis.op_costs.attention import causal_pairs
from deploykit.analysis.op_costs.work import (
    Cost,
    Tensors,
    Work,
    given,
    integer,
    integers,
    kind,
    known_size,
    layer,
    shape,
    size,
    with_outputs,
)
from deploykit.artifacts.graph import NodeInfo


@dataclass(frozen=True)
class Heads:
    """`steps` queries meet `span` keys, `fresh` of them not from a cache; `window` 0 means all of them."""

    batch: int
    heads: int
    kv_heads: int
    steps: int
    fresh: int
    span: int
    depth: int
    value_depth: int
    causal: bool = False
    window: int = 0

    @property
    def scores(self) -> int:
        """(query, key) pairs of all heads."""
        pairs = (
            causal_pairs(self.steps, self.span, window=self.window) if self.causal else self.steps * self.span
        )
        return self.batch * self.heads * pairs

    @property
    def queries(self) -> int:
        """Elements of the queries."""
        return self.batch * self.heads * self.steps * self.depth

    def cached(self, rows: int) -> int:
        """Give the elements of the keys (or values) of that many tokens."""
        return self.batch * self.kv_heads * rows * self.depth


def projected(*, mask: int, past: int, bias: int = 2, extra: int | None = None, length: int = -1) -> Cost:
    """Make the cost of an attention that projects its input to queries, keys and values first.

    Arguments are places of inputs: `extra` the attention bias, `length` the past sequence length.
    """

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        batch, steps, inputs = shape(tensors, node.inputs[0])
        columns = shape(tensors, node.inputs[1])[1]
        heads = integer(node, "num_heads", 1)
        widths = integers(node, "qkv_hidden_sizes") or (columns // 3,) * 3
        held = shape(tensors, given(node, past))[3] if given(node, past) else 0
        shared = bool(integer(node, "past_present_share_buffer", 0))
        known = _constant(tensors, given(node, length) if length >= 0 else "")
        span = (known + steps if known is not None else max(held, steps)) if shared else held + steps
        found = Heads(
            batch,
            heads,
            heads,
            steps,
            steps,
            span,
            widths[0] // heads,
            widths[2] // heads,
            bool(integer(node, "unidirectional", 0)),
        )
        dtype = kind(tensors, given(node, bias) or node.inputs[0])  # the input is int8 in QAttention
        present = (2, batch, heads, max(held, span) if shared else span, found.depth)
        tensors = with_outputs(node, tensors, (dtype, (batch, steps, widths[2])), (dtype, present))
        caches = {given(node, past): 2 * found.depth, _output(node, 1): 2 * found.depth}
        masks = bool(given(node, mask)) + (extra is not None and bool(given(node, extra)))
        simple, special = _score_ops(found, masks=masks)
        part = integer(node, "rotary_embedding_dim", 0) or found.depth
        rotated = 3 * batch * steps * 2 * heads * part if integer(node, "do_rotary", 0) else 0
        added = batch * steps * columns if given(node, bias) else 0
        return layer(
            node,
            tensors,
            macs=batch * steps * inputs * columns + _score_macs(found),
            simple=simple + added + rotated,
            special=special,
            partly=_cache_rows(node, found, caches, seen=span - steps, length=max(held, span))
            if shared
            else None,
            bias=given(node, bias),
        )

    return cost


attention = projected(mask=3, past=4, extra=5, length=6)


def quantized_attention(node: NodeInfo, tensors: Tensors) -> Work:
    """QAttention: an integer projection whose zero points shift and whose sums are converted and scaled."""
    work = projected(mask=5, past=8)(node, tensors)
    batch, steps, _ = shape(tensors, node.inputs[0])
    shifts = sum(size(tensors, node.inputs[at - 6]) for at in (6, 7) if given(node, at))
    return work.plus(shifts + 2 * batch * steps * shape(tensors, node.inputs[1])[1])


def multi_head(*, bias: int, mask: int, extra: int, past_key: int, past_value: int, past_length: int) -> Cost:
    """Make the cost of an attention over given queries, keys and values; arguments are places of inputs."""

    def cost(node: NodeInfo, tensors: Tensors) -> Work:
        found, cached_whole = _multi_heads(node, tensors)
        held = shape(tensors, given(node, past_key))[2] if given(node, past_key) else 0
        shared = bool(integer(node, "past_present_share_buffer", 0) or given(node, past_length))
        known = _constant(tensors, given(node, past_length))
        span = found.span + held
        if shared and held:
            span = known + found.fresh if known is not None else max(held, found.fresh)
        found = replace(found, span=span)
        dtype = kind(tensors, node.inputs[0])
        length = held if shared and held else span
        present = [
            (dtype, (found.batch, found.heads, length, depth)) for depth in (found.depth, found.value_depth)
        ]
        out = (dtype, (found.batch, found.steps, found.heads * found.value_depth))
        scores = (dtype, (found.batch, found.heads, found.steps, span))
        tensors = with_outputs(node, tensors, out, *present, scores)
        caches = {
            given(node, past_key): found.depth,
            given(node, past_value): found.value_depth,
            _output(node, 1): found.depth,
            _output(node, 2): found.value_depth,
        }
        simple, special = _score_ops(found, masks=bool(given(node, mask)) + bool(given(node, extra)))
        if given(node, bias):
            added = 0 if cached_whole else found.fresh * (found.depth + found.value_depth)
            simple += found.queries + found.batch * found.heads * added
        return layer(
            node,
            tensors,
            macs=_score_macs(found),
            simple=simple,
            special=special,
            partly=_cache_rows(node, found, caches, seen=span - found.fresh, length=length)
            if shared and held
            else None,
        )

    return cost


multi_head_attention = multi_head(bias=3, mask=4, extra=5, past_key=6, past_value=7, past_length=8)
decoder_masked_multi_head_attention = multi_head(
    bias=10, mask=3, extra=4, past_key=5, past_value=6, past_length=7
)


def group_query_attention(node: NodeInfo, tensors: Tensors) -> Work:
    """GroupQueryAttention: heads that share keys; cache, rotation, window, soft cap, norms of q and k."""
    found, shared = _group_heads(node, tensors)
    dtype = kind(tensors, node.inputs[0])
    past = shape(tensors, given(node, 3)) if given(node, 3) else (0, 0, 0, found.depth)
    width = past[3]  # two 4-bit values share a byte
    length = past[2] if shared else found.span
    present = (
        kind(tensors, given(node, 3)) if given(node, 3) else dtype,
        (found.batch, found.kv_heads, length, width),
    )
    out = (dtype, (found.batch, found.steps, found.heads * found.depth))
    scores = (dtype, (found.batch, found.heads, found.steps, found.span))
    tensors = with_outputs(node, tensors, out, present, present, scores)
    simple, special = _score_ops(
        found, masks=bool(given(node, 10)), capped=bool(node.attribute("softcap", 0.0))
    )
    turned = found.queries + found.cached(found.fresh)
    if integer(node, "do_rotary", 0):
        simple += 3 * turned
    if given(node, 14):  # RMSNormalization of queries and keys
        simple, special = simple + 3 * turned, special + turned
    if given(node, 12):  # a quantized cache: scale what is read; scale, round and clip what is added
        simple += 2 * found.cached(found.span - found.fresh) + 3 * 2 * found.cached(found.fresh)
    rows = _angle_rows(tensors, (given(node, 7), given(node, 8)), found.batch * found.steps)
    if shared:
        caches = dict.fromkeys((given(node, 3), given(node, 4), _output(node, 1), _output(node, 2)), width)
        seen = found.span - found.fresh
        seen = min(seen, found.window - 1) if found.window else seen
        rows |= _cache_rows(node, found, caches, seen=seen, length=length)
    return layer(
        node,
        tensors,
        macs=_score_macs(found),
        simple=simple,
        special=special,
        partly=rows,
        stored=tuple(name for name in (given(node, 12), given(node, 13)) if name),
    )


def rotary_embedding(node: NodeInfo, tensors: Tensors) -> Work:
    """RotaryEmbedding: two multiplications and one addition per rotated element; angles are read by row."""
    dims = shape(tensors, node.inputs[0])
    batch, steps = dims[0], dims[-2]
    elements, part = size(tensors, node.inputs[0]), integer(node, "rotary_embedding_dim", 0)
    if part:
        depth = dims[3] if len(dims) == 4 else dims[2] // max(1, integer(node, "num_heads", 0))
        rotated = elements * part // depth
    else:
        rotated = elements
    angles = _angle_rows(tensors, node.inputs[2:4], batch * steps)
    tensors = with_outputs(node, tensors, (kind(tensors, node.inputs[0]), dims))
    return layer(node, tensors, simple=3 * rotated, partly=angles)


def _multi_heads(node: NodeInfo, tensors: Tensors) -> tuple[Heads, bool]:
    """Read the layouts: apart, packed QKV, packed KV, or keys of another sequence with heads in front; the
    last is said too, since no bias is added to those."""
    query, heads = shape(tensors, node.inputs[0]), integer(node, "num_heads", 1)
    causal = bool(integer(node, "unidirectional", 0))
    batch, steps = query[:2]
    depth = query[4] if len(query) == 5 else query[2] // heads
    if not given(node, 1):
        depth = depth if len(query) == 5 else depth // 3
        return Heads(batch, heads, heads, steps, steps, steps, depth, depth, causal), False
    key = shape(tensors, node.inputs[1])
    if len(key) == 5:
        return Heads(batch, heads, heads, steps, key[1], key[1], depth, depth, causal), False
    value = shape(tensors, node.inputs[2])
    if len(key) == 4:
        return Heads(batch, heads, heads, steps, key[2], key[2], depth, value[3], causal), True
    return Heads(batch, heads, heads, steps, key[1], key[1], depth, value[2] // heads, causal), False


def _group_heads(node: NodeInfo, tensors: Tensors) -> tuple[Heads, bool]:
    """Read the layout, and whether past and present are one buffer: they are where their lengths agree."""
    batch, steps, columns = shape(tensors, node.inputs[0])
    heads, kv_heads = integer(node, "num_heads", 1), integer(node, "kv_num_heads", 1)
    packed = not given(node, 1)
    depth = columns // (heads + 2 * kv_heads if packed else heads)
    fresh = steps if packed else shape(tensors, node.inputs[1])[1]
    held = shape(tensors, given(node, 3))[2] if given(node, 3) else 0
    present = known_size(tensors.get(_output(node, 1)))
    total = _constant(tensors, given(node, 6))
    shared = bool(held) and (present[2] == held if present else total is not None and total <= held)
    span = max(held, fresh) if shared else held + fresh  # a window of a cache may be shorter than a prompt
    window = max(0, integer(node, "local_window_size", -1))
    causal = bool(integer(node, "causal", 1))
    return Heads(
        batch,
        heads,
        kv_heads,
        steps,
        fresh,
        min(total, span) if total else span,
        depth,
        depth,
        causal,
        window,
    ), shared


def _score_macs(found: Heads) -> int:
    return found.scores * (found.depth + found.value_depth)


def _score_ops(found: Heads, *, masks: int, capped: bool = False) -> tuple[int, int]:
    """Give the operations on the scores: scale, masks, soft cap (scale, tanh, scale), softmax."""
    return found.scores * (3 + 1 + masks + 2 * capped), found.scores * (2 + capped)


def _cache_rows(
    node: NodeInfo, found: Heads, widths: dict[str, int], *, seen: int, length: int
) -> dict[str, int]:
    """Give the elements that move of caches that past and present share: `seen` rows are read, the fresh ones
    written as far as the buffer is long. `widths` gives the elements per token and head of each."""
    rows = {name: min(found.fresh, length) if name in node.outputs else seen for name in widths if name}
    return {name: found.batch * found.kv_heads * count * widths[name] for name, count in rows.items()}


def _angle_rows(tensors: Tensors, caches: tuple[str, ...], tokens: int) -> dict[str, int]:
    """Give the elements read of tables of cosines and sines: a row per token."""
    return {name: min(size(tensors, name), tokens * shape(tensors, name)[1]) for name in caches if name}


def _constant(tensors: Tensors, name: str) -> int | None:
    value = tensors[name].constant if name in tensors else None
    return int(value[0]) if value else None


def _output(node: NodeInfo, index: int) -> str:
    return node.outputs[index] if index < len(node.outputs) else ""
