"""The operators of a decoder-only transformer, counted cleanly (`docs/guide/llm.md` has the rules)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from deploykit.analysis.llm.config import Experts, Layer, LlmConfig
from deploykit.analysis.llm.families import Activation
from deploykit.analysis.llm.params import LlmParams, Phase

ACTIVATION_OPS: dict[Activation, int] = {"silu": 2, "gelu": 5, "gelu_tanh": 9}
NORM_OPS, LAYER_NORM_OPS = 4, 7
SOFTMAX_OPS, SCORE_SCALE_OPS, CAP_OPS = 5, 1, 3
ROTATION_OPS = 3


@dataclass(frozen=True)
class LlmOperator:
    """One operator on one chip: its work, its off-chip bytes by kind, its exchange with other chips."""

    name: str
    macs: int = 0
    vector_ops: int = 0
    weight_bytes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    kv_read_bytes: int = 0
    kv_write_bytes: int = 0
    exchange_bytes: int = 0

    @property
    def ops(self) -> int:
        """Give the operations: 2 a MAC, 1 a vector operation."""
        return 2 * self.macs + self.vector_ops

    @property
    def moved_bytes(self) -> int:
        """Give all off-chip bytes."""
        return (
            self.weight_bytes + self.read_bytes + self.write_bytes + self.kv_read_bytes + self.kv_write_bytes
        )


@dataclass(frozen=True)
class Projection:
    """A weight matrix as it is kept. `rank` is that of its two factors, between which `rank` values a row are
    written and read; 0 where it is whole."""

    rank: int
    stored_bytes: int
    macs_per_row: int


@dataclass(frozen=True)
class Pass:
    """A model on its way through one phase; `config` is one chip's share of it."""

    config: LlmConfig
    phase: Phase
    params: LlmParams

    @property
    def rows(self) -> int:
        """Give the new tokens of all sequences."""
        return self.phase.tokens * self.params.batch

    def weights(self, count: int) -> int:
        """Give the bytes of so many weights."""
        return math.ceil(count * self.params.weight_bits / 8)

    def activations(self, count: int) -> int:
        """Give the bytes of so many activations."""
        return math.ceil(count * self.params.activation_bits / 8)

    def cached(self, count: int) -> int:
        """Give the bytes of so many values of the key-value cache."""
        return math.ceil(count * self.params.kv_bits / 8)

    def projection(self, inputs: int, outputs: int) -> Projection:
        """Give a projection of a layer as it is kept: in two factors, and without its zeros."""
        params = self.params
        rank, weights = 0, inputs * outputs
        if params.low_rank < 1:
            rank = max(1, int(params.low_rank * weights / (inputs + outputs)))
            weights = rank * (inputs + outputs)
        stored = math.ceil(weights * (1 - params.sparsity))
        bits = params.weight_bits + (params.index_bits if params.sparsity else 0.0)
        return Projection(
            rank, math.ceil(stored * bits / 8), macs_per_row=stored if params.skips_zeros else weights
        )

    def linear(
        self,
        name: str,
        inputs: int,
        outputs: int,
        *,
        bias: bool = False,
        rows: int | None = None,
        copies: int = 1,
        whole: bool = False,
    ) -> LlmOperator:
        """Give a matrix product of `rows` rows, whose weights are read in `copies` versions (experts).

        `whole` ones are neither pruned nor factorised: the router, the `lm_head`.
        """
        rows = self.rows if rows is None else rows
        kept = Pass(self.config, self.phase, self.params.dense) if whole else self
        matrix = kept.projection(inputs, outputs)
        return LlmOperator(
            name,
            macs=rows * matrix.macs_per_row,
            vector_ops=rows * outputs * bias,
            weight_bytes=copies * matrix.stored_bytes + self.activations(copies * outputs * bias),
            read_bytes=self.activations(rows * (inputs + matrix.rank)),
            write_bytes=self.activations(rows * (outputs + matrix.rank)),
        )

    def vector(self, name: str, ops: int, *, reads: int, writes: int, weights: int = 0) -> LlmOperator:
        """Give an elementwise operator of so many elements in and out; weights have the activations' bits."""
        return LlmOperator(
            name,
            vector_ops=ops,
            weight_bytes=self.activations(weights),
            read_bytes=self.activations(reads),
            write_bytes=self.activations(writes),
        )


def layer_operators(run: Pass, layer: Layer) -> tuple[LlmOperator, ...]:
    """Give the operators of one layer, in the order in which they run."""
    config = run.config
    hidden = run.rows * config.hidden
    after = config.norms == 4  # Gemma 2 and 3 normalise what comes out of each half as well
    operators = [_norm(run, "attention_norm"), *_attention(run, layer)]
    if after:
        operators.append(_norm(run, "attention_post_norm"))
    if config.parallel:
        operators += _mlp(run, layer)
        return (*operators, run.vector("residual_add", 2 * hidden, reads=3 * hidden, writes=hidden))
    add = run.vector("attention_add", hidden, reads=2 * hidden, writes=hidden)
    operators += [add, _norm(run, "mlp_norm"), *_mlp(run, layer)]
    if after:
        operators.append(_norm(run, "mlp_post_norm"))
    return (*operators, run.vector("mlp_add", hidden, reads=2 * hidden, writes=hidden))


def outer_operators(run: Pass) -> tuple[LlmOperator, ...]:
    """Give what stands before and after the layers. Of a prompt, only the last token meets the `lm_head`."""
    config, predicting = run.config, run.params.batch * run.phase.predicting
    looked_up = run.rows * config.hidden
    embedding = LlmOperator(
        "embedding",
        vector_ops=looked_up * config.scaled_embedding,
        weight_bytes=run.weights(looked_up),
        write_bytes=run.activations(looked_up),
    )
    head = run.linear(
        "lm_head", config.hidden, config.vocab, bias=config.head_bias, rows=predicting, whole=True
    )
    operators = [embedding, _norm(run, "final_norm"), head]
    if config.logit_cap:
        logits = predicting * config.vocab
        operators.append(run.vector("logit_cap", CAP_OPS * logits, reads=logits, writes=logits))
    return tuple(operators)


def attended_pairs(phase: Phase, window: int | None) -> int:
    """Count (query, key) pairs of one sequence under the causal mask and the window."""
    full = range(phase.past + 1, phase.past + phase.tokens + 1)
    if window is None:
        return (full.start + full.stop - 1) * len(full) // 2
    growing = max(0, min(window, full.stop - 1) - phase.past)
    return growing * (2 * phase.past + growing + 1) // 2 + (phase.tokens - growing) * window


def visible_keys(phase: Phase, window: int | None) -> int:
    """Count the keys of one sequence that its new tokens can see between them."""
    total = phase.past + phase.tokens
    return total if window is None else min(total, window + phase.tokens - 1)


def kept_keys(tokens: int, window: int | None) -> int:
    """Count the keys of one sequence that have to stay in the cache after so many tokens."""
    return tokens if window is None else min(tokens, window)


def _norm(run: Pass, name: str) -> LlmOperator:
    config = run.config
    elements = run.rows * config.hidden
    ops, tables = (LAYER_NORM_OPS, 2) if config.layer_norm else (NORM_OPS, 1)
    return run.vector(name, ops * elements, reads=elements, writes=elements, weights=tables * config.hidden)


def _attention(run: Pass, layer: Layer) -> Iterator[LlmOperator]:
    config = run.config
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    yield run.linear("q_proj", config.hidden, queries, bias=config.qkv_bias)
    yield run.linear("k_proj", config.hidden, keys, bias=config.qkv_bias)
    yield _into_cache(run, run.linear("v_proj", config.hidden, keys, bias=config.qkv_bias), keys)
    if config.qk_norm:
        elements = run.rows * (queries + keys)
        tables = 2 * config.head_dim
        yield run.vector("qk_norm", NORM_OPS * elements, reads=elements, writes=elements, weights=tables)
    yield _rotation(run, queries, keys)
    yield from (_flash if run.params.flash else _scores)(run, layer)
    yield run.linear("o_proj", queries, config.hidden, bias=config.output_bias)
    yield from _exchange(run, "attention_all_reduce")


def _into_cache(run: Pass, projection: LlmOperator, width: int) -> LlmOperator:
    return LlmOperator(
        projection.name,
        projection.macs,
        projection.vector_ops,
        projection.weight_bytes,
        projection.read_bytes,
        kv_write_bytes=run.cached(run.rows * width),
    )


def _rotation(run: Pass, queries: int, keys: int) -> LlmOperator:
    config = run.config
    rotated = run.rows * (config.heads + config.kv_heads) * config.rotated
    return LlmOperator(
        "rope",
        vector_ops=ROTATION_OPS * rotated,
        read_bytes=run.activations(run.rows * (queries + keys)),
        write_bytes=run.activations(run.rows * queries),
        kv_write_bytes=run.cached(run.rows * keys),
    )


def _scores(run: Pass, layer: Layer) -> Iterator[LlmOperator]:
    """Give the attention in three steps; the scores of the attended pairs go off chip between them."""
    whole = _flash(run, layer)[0]
    scores = run.activations(_pairs(run, layer) * run.config.heads)
    half_kv = whole.kv_read_bytes // 2
    yield LlmOperator(
        "qk_matmul",
        macs=whole.macs // 2,
        read_bytes=whole.read_bytes,
        write_bytes=scores,
        kv_read_bytes=half_kv,
    )
    yield LlmOperator("softmax", vector_ops=whole.vector_ops, read_bytes=scores, write_bytes=scores)
    yield LlmOperator(
        "sv_matmul",
        macs=whole.macs // 2,
        read_bytes=scores,
        write_bytes=whole.write_bytes,
        kv_read_bytes=whole.kv_read_bytes - half_kv,
    )


def _flash(run: Pass, layer: Layer) -> tuple[LlmOperator]:
    """Give the attention as one operator: queries, keys and values come in once, the result goes out."""
    config = run.config
    pairs = _pairs(run, layer) * config.heads
    per_score = SOFTMAX_OPS + SCORE_SCALE_OPS + CAP_OPS * config.score_cap
    keys = run.params.batch * visible_keys(run.phase, layer.window) * config.kv_heads * config.head_dim
    queries = run.activations(run.rows * config.heads * config.head_dim)
    return (
        LlmOperator(
            "attention",
            macs=2 * pairs * config.head_dim,
            vector_ops=per_score * pairs,
            read_bytes=queries,
            write_bytes=queries,
            kv_read_bytes=2 * run.cached(keys),
        ),
    )


def _pairs(run: Pass, layer: Layer) -> int:
    return run.params.batch * attended_pairs(run.phase, layer.window)


def _mlp(run: Pass, layer: Layer) -> Iterator[LlmOperator]:
    config = run.config
    if layer.experts and config.experts is not None:
        yield from _experts(run, config.experts)
    else:
        yield from _dense(run, "", config.intermediate)
    yield from _exchange(run, "mlp_all_reduce")


def _dense(
    run: Pass, prefix: str, width: int, *, rows: int | None = None, copies: int = 1
) -> Iterator[LlmOperator]:
    config = run.config
    rows = run.rows if rows is None else rows
    names = ("gate_proj", "up_proj") if config.gated else ("up_proj",)
    for name in names:
        yield run.linear(prefix + name, config.hidden, width, bias=config.mlp_bias, rows=rows, copies=copies)
    elements = rows * width
    ops = ACTIVATION_OPS[config.activation] + config.gated
    yield run.vector(prefix + "mlp_act", ops * elements, reads=len(names) * elements, writes=elements)
    yield run.linear(
        prefix + "down_proj", width, config.hidden, bias=config.mlp_bias, rows=rows, copies=copies
    )


def _experts(run: Pass, experts: Experts) -> Iterator[LlmOperator]:
    """Give a mixture of experts: as many are read as the tokens can choose between them."""
    hidden, chosen = run.config.hidden, run.rows * experts.per_token
    router = run.linear("router", hidden, experts.count, whole=True)
    yield LlmOperator(
        "router",
        router.macs,
        SOFTMAX_OPS * run.rows * experts.count,
        router.weight_bytes,
        router.read_bytes,
        router.write_bytes,
    )
    yield from _dense(run, "expert_", experts.intermediate, rows=chosen, copies=min(experts.count, chosen))
    yield run.vector("expert_sum", 2 * chosen * hidden, reads=chosen * (hidden + 1), writes=run.rows * hidden)
    if experts.shared_intermediate:
        yield from _dense(run, "shared_", experts.shared_intermediate)
        yield run.linear("shared_gate", hidden, 1, whole=True)
        elements = run.rows * hidden
        yield run.vector("shared_add", 2 * elements, reads=2 * elements + run.rows, writes=elements)


def _exchange(run: Pass, name: str) -> Iterator[LlmOperator]:
    """Give the ring all-reduce after a half of a layer: each chip sends 2 (n - 1) / n of the tensor."""
    chips = run.params.tensor_parallel
    if chips > 1:
        whole = run.activations(run.rows * run.config.hidden)
        yield LlmOperator(name, exchange_bytes=math.ceil(2 * (chips - 1) * whole / chips))
