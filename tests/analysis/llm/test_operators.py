"""The clean accounting, against numbers worked out by hand and brute force over tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploykit.analysis.llm.config import LlmConfig, config_from
from deploykit.analysis.llm.memory import count_parameters
from deploykit.analysis.llm.operators import (
    LlmOperator,
    Pass,
    attended_pairs,
    layer_operators,
    outer_operators,
    visible_keys,
)
from deploykit.analysis.llm.params import LlmParams, Phase

SMALL: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "vocab_size": 10,
}


def _config(**changes: Any) -> LlmConfig:
    return config_from(SMALL | changes, Path("c"))


def _layer(config: LlmConfig, phase: Phase, **params: Any) -> dict[str, LlmOperator]:
    run = Pass(config, phase, LlmParams(**params))
    return {operator.name: operator for operator in layer_operators(run, config.layers[0])}


@given(past=st.integers(0, 12), tokens=st.integers(1, 12), window=st.none() | st.integers(1, 10))
def test_pairs_and_keys_equal_a_count_over_all_tokens(past: int, tokens: int, window: int | None) -> None:
    seen = [
        (query, key)
        for query in range(past, past + tokens)
        for key in range(query + 1)
        if window is None or query - key < window
    ]
    phase = Phase("prefill", tokens, past)
    assert attended_pairs(phase, window) == len(seen)
    assert visible_keys(phase, window) == len({key for _, key in seen})


def test_a_prompt_of_three_tokens_by_hand() -> None:
    found = _layer(_config(), Phase("prefill", 3, 0), batch=2)
    # 6 rows; queries are 16 wide, keys 8; causal pairs: 2 sequences x (1 + 2 + 3) x 4 heads = 48
    assert found["q_proj"] == LlmOperator("q_proj", 6 * 8 * 16, 0, 8 * 16 * 2, 6 * 8 * 2, 6 * 16 * 2)
    assert found["v_proj"] == LlmOperator(
        "v_proj", 6 * 8 * 8, 0, 8 * 8 * 2, 6 * 8 * 2, kv_write_bytes=6 * 8 * 2
    )
    assert found["rope"].vector_ops == 3 * 6 * 24
    assert found["rope"].kv_write_bytes == 6 * 8 * 2
    assert found["qk_matmul"] == LlmOperator(
        "qk_matmul", 48 * 4, 0, 0, 6 * 16 * 2, 48 * 2, kv_read_bytes=6 * 8 * 2
    )
    assert found["softmax"] == LlmOperator("softmax", 0, 6 * 48, 0, 48 * 2, 48 * 2)
    assert found["attention_add"] == LlmOperator("attention_add", 0, 48, 0, 2 * 48 * 2, 48 * 2)
    assert found["attention_norm"].vector_ops == 4 * 48
    assert found["mlp_act"] == LlmOperator("mlp_act", 0, 3 * 72, 0, 2 * 72 * 2, 72 * 2)


def test_each_precision_changes_its_own_bytes_alone() -> None:
    phase = Phase("decode", 1, 7)
    wide, narrow = _layer(_config(), phase), _layer(_config(), phase, weight_bits=4, kv_bits=8)
    assert narrow["up_proj"].weight_bytes == wide["up_proj"].weight_bytes // 4
    assert narrow["up_proj"].read_bytes == wide["up_proj"].read_bytes
    assert narrow["qk_matmul"].kv_read_bytes == wide["qk_matmul"].kv_read_bytes // 2 == 8 * 8
    half = _layer(_config(), phase, activation_bits=8)
    assert half["qk_matmul"].kv_read_bytes == wide["qk_matmul"].kv_read_bytes
    assert half["up_proj"].read_bytes == wide["up_proj"].read_bytes // 2


def test_flash_attention_does_the_same_work_without_the_scores() -> None:
    phase = Phase("prefill", 64, 0)
    plain, flash = _layer(_config(), phase), _layer(_config(), phase, flash=True)["attention"]
    steps = [plain[name] for name in ("qk_matmul", "softmax", "sv_matmul")]
    assert flash.ops == sum(step.ops for step in steps)
    scores = attended_pairs(phase, None) * 4 * 2
    assert sum(step.moved_bytes for step in steps) - flash.moved_bytes == 4 * scores


def test_the_prompt_costs_as_much_as_its_tokens_one_by_one() -> None:
    whole = _layer(_config(), Phase("prefill", 9, 0))
    single = [_layer(_config(), Phase("decode", 1, past)) for past in range(9)]
    for name, operator in whole.items():
        assert operator.ops == sum(step[name].ops for step in single), name


def test_a_decode_step_reads_every_weight_once() -> None:
    for changes in ({}, {"model_type": "phi"}, {"model_type": "gemma2"}, {"model_type": "qwen3"}):
        config = _config(**changes)
        run = Pass(config, Phase("decode", 1, 3), LlmParams())
        operators = [*layer_operators(run, config.layers[0]), *outer_operators(run)]
        table = 0 if config.tied else config.vocab * config.hidden
        read = sum(operator.weight_bytes for operator in operators) // 2
        assert read == count_parameters(config) - table + config.hidden  # one row of the embedding


@pytest.mark.parametrize(("tokens", "experts_read"), [(1, 2), (2, 4), (50, 6)])
def test_experts_are_read_as_far_as_tokens_can_choose_them(tokens: int, experts_read: int) -> None:
    config = _config(model_type="mixtral", num_local_experts=6, num_experts_per_tok=2)
    found = _layer(config, Phase("prefill", tokens, 0))
    assert found["expert_up_proj"].macs == tokens * 2 * 8 * 12
    assert found["expert_up_proj"].weight_bytes == experts_read * 8 * 12 * 2
    assert found["router"].macs == tokens * 8 * 6


def test_two_chips_exchange_a_whole_activation_twice_a_layer() -> None:
    found = _layer(_config(), Phase("prefill", 3, 0), tensor_parallel=2)
    assert found["attention_all_reduce"].exchange_bytes == found["mlp_all_reduce"].exchange_bytes == 3 * 8 * 2
