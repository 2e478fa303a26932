"""Whole models on a chip: the printed Llama table, memory, shards, speed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploykit.analysis.llm.config import config_from
from deploykit.analysis.llm.costs import LlmCost, cost_llm
from deploykit.analysis.llm.params import LlmParams
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

PRINTED = {
    ("prefill", "q_proj"): (68.7e9, 67.1e6, 154.8e12, "compute"),
    ("prefill", "down_proj"): (184.7e9, 152.0e6, 154.8e12, "compute"),
    ("prefill", "qk_matmul"): (34.4e9, 302.0e6, 87.4e12, "memory"),
    ("prefill", "softmax"): (671e6, 537e6, 960e9, "memory"),
    ("prefill", "attention_norm"): (58.7e6, 33.6e6, 1.344e12, "memory"),
    ("prefill", "mlp_add"): (8.39e6, 33.6e6, 192e9, "memory"),
    ("decode", "up_proj"): (90.2e6, 90.2e6, 768e9, "memory"),
    ("decode", "sv_matmul"): (16.8e6, 16.9e6, 762e9, "memory"),
    ("decode", "softmax"): (328e3, 262e3, 960e9, "memory"),
    ("decode", "attention_norm"): (28.7e3, 16.4e3, 1.344e12, "memory"),
}
"""Operations, bytes, attainable operations per second, bound (LLM-Viewer's table 1)."""


def _cost(chip: str = "a6000", data: dict[str, Any] | None = None, **params: Any) -> LlmCost:
    profile, _ = load_profile(chip)
    return cost_llm(config_from(data or LLAMA, Path("c")), profile, LlmParams(**params), where="config.json")


@pytest.mark.parametrize("row", PRINTED)
def test_the_published_accounting_gives_the_printed_rows(row: tuple[str, str]) -> None:
    cost = _cost(accounting="published")
    phase = cost.prefill if row[0] == "prefill" else cost.decode
    (found,) = (item for item in phase.blocks[0].operators if item.operator.name == row[1])
    ops, moved, speed, bound = PRINTED[row]
    assert found.operator.ops == pytest.approx(ops, rel=2e-3)
    assert found.operator.moved_bytes == pytest.approx(moved, rel=3e-3)
    assert found.attainable_ops_per_s == pytest.approx(speed, rel=2e-3)
    assert found.bound == bound


def test_memory_is_weights_cache_and_activations() -> None:
    memory = _cost(prompt=2048, generate=129, weight_bits=4, kv_bits=8).memory
    assert memory.weight_bytes == 6_738_415_616 // 2
    assert memory.kv_bytes == 2 * 32 * 4096 * 2176
    assert memory.peak_bytes == memory.weight_bytes + memory.kv_bytes + memory.activation_bytes
    # the largest operator is the softmax: 2 x 32 heads x 2048 * 2049 / 2 scores, and the residual stream
    assert memory.activation_bytes == 2 * 32 * 2048 * 2049 // 2 * 2 + 2048 * 4096 * 2


def test_a_window_bounds_the_cache() -> None:
    data = LLAMA | {"model_type": "mistral", "sliding_window": 512}
    assert _cost(data=data).memory.kv_bytes == 2 * 32 * 4096 * 512 * 2


def test_a_decode_step_on_this_card_is_its_bytes_over_the_bandwidth() -> None:
    cost = _cost(generate=2)
    assert cost.decode.time_s == pytest.approx(cost.decode.total("moved_bytes") / 768e9)
    assert cost.tokens_per_s == pytest.approx(1 / cost.decode.time_s)
    assert cost.time_to_first_token_s == pytest.approx(sum(cost.prefill.time_by_bound().values()))


def test_many_steps_are_averaged_as_if_all_were_costed() -> None:
    each = [_cost(prompt=16 + step, generate=2).decode.time_s for step in range(99)]
    assert _cost(prompt=16, generate=100).decode_time_s == pytest.approx(sum(each), rel=1e-4)


def test_two_chips_share_the_work_and_pay_for_their_exchange() -> None:
    one, two = _cost(), _cost(tensor_parallel=2)
    linked = _cost(tensor_parallel=2, link_bytes_per_s=1e10)
    assert two.memory.weight_bytes == pytest.approx(one.memory.weight_bytes / 2, rel=1e-3)
    assert two.memory.kv_bytes == one.memory.kv_bytes // 2
    exchange_s = 32 * 2 * 2048 * 4096 * 2 / 1e10
    assert linked.prefill.time_s == pytest.approx(two.prefill.time_s + exchange_s)
    assert two.prefill.total("macs") == pytest.approx(one.prefill.total("macs") / 2, rel=1e-3)


def test_sizes_that_do_not_divide_are_all_named() -> None:
    with pytest.raises(InputError) as caught:
        _cost(tensor_parallel=3)
    assert [fault.where for fault in caught.value.faults] == [
        "config.json: num_attention_heads",
        "config.json: num_key_value_heads",
        "config.json: intermediate_size",
    ]


def test_the_published_accounting_refuses_what_it_does_not_know() -> None:
    with pytest.raises(InputError) as caught:
        _cost(accounting="published", flash=True, tensor_parallel=2)
    assert len(caught.value.faults) == 2


def test_integers_need_integers_on_both_sides() -> None:
    assert _cost("rk3588", weight_bits=8, activation_bits=8).roofline.scheme == "w8a8"
    assert _cost("rk3588", weight_bits=4).roofline.scheme == "float16"
    with pytest.raises(InputError, match=r"npu.peak_ops_per_s.float16: is blank.*choose bits.*w8a8"):
        _cost("ax650n", weight_bits=4)


def test_a_blank_bandwidth_gives_the_interval_that_the_class_allows() -> None:
    """stm32mp257: 3.2 to 17.1 GB/s; decoding reads every weight, so the time goes with the bandwidth."""
    cost = _cost("stm32mp257", weight_bits=8, activation_bits=8, prompt=1)
    assert cost.roofline.bandwidth_bytes_per_s == pytest.approx((3.2e9 * 17.1e9) ** 0.5)
    assert cost.interval is not None
    assert cost.interval.high_factor == pytest.approx((17.1 / 3.2) ** 0.5, rel=0.01)
    assert cost.interval.low_factor == pytest.approx((3.2 / 17.1) ** 0.5, rel=0.01)
    assert cost.interval.reasons[0].startswith("stm32mp257.yaml: dram.bandwidth_bytes_per_s is blank")
    assert _cost("rk3588").interval is None


def test_decoding_follows_measured_models_where_the_profile_has_them() -> None:
    cost = _cost("rk3588", weight_bits=8, activation_bits=8, kv_bits=8, prompt=128, generate=2)
    assert cost.rate is not None
    moved = sum(cost.decode.total(kind) for kind in ("weight_bytes", "kv_read_bytes", "kv_write_bytes"))
    wanted = moved / cost.rate.bandwidth_bytes_per_s + 32 * cost.rate.layer_s
    assert cost.decode_time_s == pytest.approx(wanted)
    assert cost.spec_decode_time_s == pytest.approx(cost.decode.time_s)
    assert _cost("rk3588", weight_bits=8, activation_bits=16).rate is None


def test_decoding_is_never_faster_than_the_roofline() -> None:
    cost = _cost("rk3588", weight_bits=8, activation_bits=8, batch=64, prompt=128, generate=2)
    assert cost.decode_time_s == cost.spec_decode_time_s == pytest.approx(cost.decode.time_s)
