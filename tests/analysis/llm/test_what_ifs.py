"""Pruned and factorised weights, a draft model, grids: against numbers worked out by hand."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.llm.config import config_from
from deploykit.analysis.llm.costs import LlmCost, cost_llm
from deploykit.analysis.llm.curves import cost_curves
from deploykit.analysis.llm.operators import LlmOperator, Pass, layer_operators, outer_operators
from deploykit.analysis.llm.params import LlmParams, Phase
from deploykit.analysis.llm.speculative import cost_speculative, expected_tokens
from deploykit.core.errors import InputError
from deploykit.core.profile import load_profile

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
}
PROJECTIONS = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
MIXTRAL = LLAMA | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2}


def _cost(data: dict[str, Any] | None = None, **params: Any) -> LlmCost:
    profile, _ = load_profile("a6000")
    return cost_llm(config_from(data or LLAMA, Path("c")), profile, LlmParams(**params), where="c")


def _step(tokens: int, **params: Any) -> dict[str, LlmOperator]:
    config = config_from(LLAMA, Path("c"))
    run = Pass(config, Phase("verify", tokens, 100), LlmParams(**params))
    return {item.name: item for item in (*layer_operators(run, config.layers[0]), *outer_operators(run))}


def test_two_of_four_weights_are_stored_with_their_places() -> None:
    found = _step(1, weight_bits=8, sparsity=0.5, index_bits=2)
    assert found["q_proj"].weight_bytes == 4096 * 4096 // 2 * 10 // 8
    assert found["q_proj"].macs == 4096 * 4096  # zeros are computed, unless the hardware skips them
    assert found["lm_head"].weight_bytes == 4096 * 32000
    assert _step(1, sparsity=0.5, skips_zeros=True)["q_proj"].macs == 4096 * 4096 // 2


def test_two_factors_read_and_write_what_is_between_them() -> None:
    found = _step(3, low_rank=0.25)["q_proj"]
    rank = 512  # a quarter of 4096 x 4096 over 4096 + 4096
    assert found.macs == 3 * rank * 8192
    assert found.weight_bytes == rank * 8192 * 2
    assert found.read_bytes == found.write_bytes == 3 * (4096 + rank) * 2


def test_memory_keeps_what_is_not_pruned() -> None:
    dense, pruned = _cost(), _cost(sparsity=0.75)
    assert dense.memory.weight_bytes - pruned.memory.weight_bytes == PROJECTIONS * 3 // 4 * 2
    assert _cost(low_rank=0.5).memory.weight_bytes < dense.memory.weight_bytes - PROJECTIONS * 0.98


def test_experts_are_pruned_and_their_router_is_not() -> None:
    dense, pruned = _cost(MIXTRAL), _cost(MIXTRAL, sparsity=0.5)
    projections = 32 * (4 * 4096 * 4096 + 8 * 3 * 4096 * 11008)
    assert dense.memory.weight_bytes - pruned.memory.weight_bytes == projections
    blocks = [block for block in pruned.decode.blocks if block.count == 32]
    (router,) = (item.operator for item in blocks[0].operators if item.operator.name == "router")
    assert router.weight_bytes == 4096 * 8 * 2


def test_the_check_of_a_round_predicts_after_each_token() -> None:
    assert _step(5)["lm_head"].macs == 5 * 4096 * 32000


@given(st.integers(1, 6), st.floats(0, 0.95))
def test_expected_tokens_equal_the_closed_form(count: int, acceptance: float) -> None:
    closed = (1 - acceptance ** (count + 1)) / (1 - acceptance)
    assert expected_tokens(count, acceptance) == pytest.approx(closed)


def test_expected_tokens_equal_a_simulation() -> None:
    draw = random.Random(1)
    rounds = [next((i for i in range(4) if draw.random() > 0.6), 4) + 1 for _ in range(40_000)]
    assert expected_tokens(4, 0.6) == pytest.approx(sum(rounds) / len(rounds), rel=0.01)


def test_a_draft_model_pays_off_where_steps_wait_for_memory() -> None:
    large = _cost(prompt=128, generate=64)
    small = config_from(LLAMA | {"num_hidden_layers": 2, "tie_word_embeddings": True}, Path("d"))
    profile, _ = load_profile("a6000")
    found = cost_speculative(large, small, profile, draft_tokens=4, acceptance=0.8, where="d")
    assert found.tokens_per_round == pytest.approx(1 + 0.8 + 0.64 + 0.512 + 0.4096)
    assert found.verify_s == pytest.approx(large.decode_time_s / 63, rel=0.02)  # the same weights once
    step = 4 * found.draft_step_s + found.verify_s
    assert found.tokens_per_s == pytest.approx(found.tokens_per_round / step)
    assert 2 < found.speedup < 3.36
    assert found.peak_bytes > large.memory.peak_bytes


def test_a_curve_is_the_cost_at_each_point() -> None:
    config, (profile, _) = config_from(LLAMA, Path("c")), load_profile("a6000")
    axes = {"batch": (1, 8), "prompt": (64, 128, 256)}
    points = cost_curves(config, profile, LlmParams(), axes=axes, where="c")
    assert [point.values for point in points] == [(b, p) for b in axes["batch"] for p in axes["prompt"]]
    one = _cost(batch=8, prompt=128)
    assert points[4].tokens_per_s == one.tokens_per_s
    assert points[4].peak_bytes == one.memory.peak_bytes
    assert points[4].decode_bound == "memory"


def test_the_published_accounting_knows_no_pruning() -> None:
    with pytest.raises(InputError) as caught:
        _cost(accounting="published", sparsity=0.5, low_rank=0.5)
    assert len(caught.value.faults) == 2
