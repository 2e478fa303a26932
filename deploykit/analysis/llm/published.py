"""The accounting of LLM-Viewer's printed table (Llama-2-7b on an A6000), with its simplifications.

Source of the formulas: hahnyuan/LLM-Viewer @472f71f. `docs/guide/llm.md` explains what the clean accounting
counts otherwise. H = hidden, I = intermediate, S = prompt, T = new tokens.
"""

from __future__ import annotations

from deploykit.analysis.llm.config import LlmConfig
from deploykit.analysis.llm.operators import LlmOperator, Pass
from deploykit.core.errors import Fault, InputError

HALVES = ("attention", "mlp")
SOFTMAX_OPS = 5
"""max, subtract, exp, sum, divide."""

NORM_OPS = 7
"""sum, subtract, power, sum, divide, multiply, add: those of a LayerNormalization."""


def published_operators(run: Pass) -> tuple[LlmOperator, ...]:
    """Give the operators of one layer; the table's rows `norm` and `add` stand for two each."""
    config, rows = run.config, run.rows
    decoding = run.phase.name == "decode"
    context = run.phase.past if decoding else run.phase.tokens  # a decode step's own key is not counted
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    pairs = rows * context
    cache = run.cached(run.params.batch * context * keys)
    scores = run.activations(pairs * config.heads)
    vectors = run.activations(rows * queries)
    hidden = rows * config.hidden
    softmax = SOFTMAX_OPS * pairs * config.heads
    return (
        run.linear("q_proj", config.hidden, queries),
        run.linear("k_proj", config.hidden, keys),
        run.linear("v_proj", config.hidden, keys),
        run.linear("o_proj", queries, config.hidden),
        run.linear("gate_proj", config.hidden, config.intermediate),
        run.linear("up_proj", config.hidden, config.intermediate),
        run.linear("down_proj", config.intermediate, config.hidden),
        LlmOperator("qk_matmul", pairs * queries, 0, 0, vectors, scores, cache),
        LlmOperator("sv_matmul", pairs * queries, 0, 0, scores, vectors, cache),
        LlmOperator("softmax", 0, softmax, 0, scores, scores),
        *(run.vector(f"{half}_norm", NORM_OPS * hidden, reads=hidden, writes=hidden) for half in HALVES),
        *(run.vector(f"{half}_add", hidden, reads=hidden, writes=hidden) for half in HALVES),
    )


def check_published(run: Pass, where: str) -> None:
    """Refuse what the table's formulas do not know.

    Raises:
        InputError: a fault for each thing.
    """
    config: LlmConfig = run.config
    faults = [
        Fault(where, f"the published accounting knows no {what}", "use --accounting clean")
        for what, present in (
            ("experts", config.experts is not None),
            ("MLP without a gate", not config.gated),
            ("attention window", any(layer.window for layer in config.layers)),
            ("flash attention", run.params.flash),
            ("tensor parallelism", run.params.tensor_parallel > 1),
            ("sparsity", run.params.sparsity > 0),
            ("low rank", run.params.low_rank < 1),
        )
        if present
    ]
    if faults:
        raise InputError(*faults)
