"""A config.json's sizes: published parameter counts, and what is said of a file that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploykit.analysis.llm.config import Layer, config_from, read_config
from deploykit.analysis.llm.families import FAMILIES
from deploykit.analysis.llm.memory import count_parameters
from deploykit.core.errors import InputError

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
}
SMALL = LLAMA | {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4}


def _sizes(hidden: int, width: int, layers: int, heads: int, kv: int, vocab: int) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "intermediate_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "vocab_size": vocab,
    }


PUBLISHED = {
    "Llama-2-7b": (LLAMA, 6_738_415_616),
    "Llama-3-8B": (_sizes(4096, 14336, 32, 32, 8, 128256) | {"model_type": "llama"}, 8_030_261_248),
    "Mistral-7B": (_sizes(4096, 14336, 32, 32, 8, 32000) | {"model_type": "mistral"}, 7_241_732_096),
    "Qwen2-0.5B": (
        _sizes(896, 4864, 24, 14, 2, 151936) | {"model_type": "qwen2", "tie_word_embeddings": True},
        494_032_768,
    ),
    "Qwen3-0.6B": (
        _sizes(1024, 3072, 28, 16, 8, 151936) | {"model_type": "qwen3", "tie_word_embeddings": True},
        596_049_920,
    ),
    "gemma-2b": (
        _sizes(2048, 16384, 18, 8, 1, 256000) | {"model_type": "gemma", "head_dim": 256},
        2_506_172_416,
    ),
    "gemma-2-2b": (
        _sizes(2304, 9216, 26, 8, 4, 256000) | {"model_type": "gemma2", "head_dim": 256},
        2_614_341_888,
    ),
    "phi-2": (_sizes(2560, 10240, 32, 32, 32, 51200) | {"model_type": "phi"}, 2_779_683_840),
    "Phi-3-mini": (_sizes(3072, 8192, 32, 32, 32, 32064) | {"model_type": "phi3"}, 3_821_079_552),
    "Mixtral-8x7B": (
        _sizes(4096, 14336, 32, 32, 8, 32000)
        | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2},
        46_702_792_704,
    ),
    "Qwen1.5-MoE-A2.7B": (
        _sizes(2048, 5632, 24, 16, 16, 151936)
        | {
            "model_type": "qwen2_moe",
            "num_experts": 60,
            "num_experts_per_tok": 4,
            "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632,
        },
        14_315_784_192,
    ),
    "Qwen3-30B-A3B": (
        _sizes(2048, 6144, 48, 32, 4, 151936)
        | {
            "model_type": "qwen3_moe",
            "head_dim": 128,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "moe_intermediate_size": 768,
        },
        30_532_122_624,
    ),
}
"""Sizes and `total_parameters` of the models' files on the hub."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_equal_the_published_count(name: str) -> None:
    data, parameters = PUBLISHED[name]
    assert count_parameters(config_from(data, Path(name))) == parameters


def test_a_file_is_read_and_keys_that_may_lack_have_the_family_default(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(LLAMA))
    config = read_config(file)
    assert (config.kv_heads, config.head_dim, config.tied, config.qkv_bias) == (32, 128, False, False)
    assert config.layers == (Layer(),) * 32


def test_windows_stand_where_the_family_has_them() -> None:
    window = {"sliding_window": 16}

    def windows(data: dict[str, Any]) -> list[int | None]:
        return [layer.window for layer in config_from(SMALL | window | data, Path("c")).layers]

    assert windows({"model_type": "mistral"}) == [16] * 4
    assert windows({"model_type": "gemma2", "head_dim": 16}) == [16, None, 16, None]
    assert windows({"model_type": "gemma3_text", "sliding_window_pattern": 3}) == [16, 16, None, 16]
    assert windows({"model_type": "qwen2", "max_window_layers": 3}) == [None] * 4
    qwen = {"model_type": "qwen2", "max_window_layers": 3, "use_sliding_window": True}
    assert windows(qwen) == [None, None, None, 16]
    types = ["full_attention", "sliding_attention", "full_attention", "full_attention"]
    assert windows({"model_type": "qwen3", "layer_types": types}) == [None, 16, None, None]


def test_a_multimodal_file_gives_its_text_model(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    inner = SMALL | {"model_type": "gemma3_text"}
    file.write_text(json.dumps({"model_type": "gemma3", "vocab_size": 5, "text_config": inner}))
    assert read_config(file).vocab == 32000


def test_every_fault_is_named_with_file_line_key_and_what_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(
        '{"model_type": "llama",\n"hidden_size": "x",\n"num_hidden_layers": 32,\n"num_attention_heads": 32,\n'
        '"num_key_value_heads": 5, "vocab_size": -1,\n"hidden_act": ["a"], "tie_word_embeddings": 1}'
    )
    with pytest.raises(InputError) as caught:
        read_config(file)
    assert [str(fault).split(";")[0] for fault in caught.value.faults] == [
        f"{file}:2: hidden_size: is 'x'",
        f"{file}:5: num_key_value_heads: 5 does not divide 32 heads",
        f"{file}: intermediate_size: is missing",
        f"{file}:5: vocab_size: is -1",
        f"{file}:6: tie_word_embeddings: is 1",
        f"{file}:6: hidden_act: no activation ['a']",
    ]
    assert all(fault.fix for fault in caught.value.faults)


def test_an_unknown_family_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"model_type": "gpt2"}')
    with pytest.raises(
        InputError, match=f"config.json:1: model_type: no model family 'gpt2'.*{', '.join(FAMILIES)}"
    ):
        read_config(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"model_type":\n }', r":2:2: is not JSON"),
        (b"[1]", "holds no JSON object"),
        (b"\xff\xfe", "is not a text file"),
        (b"[" * 200_000, "is nested too deeply"),
    ],
)
def test_what_is_no_config_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_config(file)


WRONG: tuple[Any, ...] = ([], {"a": 1}, "x", -3, 1.5, float("nan"))


@pytest.mark.parametrize("family", FAMILIES)
def test_any_value_of_the_wrong_kind_is_at_most_a_fault_of_the_file(family: str) -> None:
    experts = {
        "num_local_experts": 4,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
    }
    good = SMALL | experts | {"model_type": family}
    assert config_from(good, Path("c")).family == family
    optional = ("sliding_window", "layer_types", "head_dim", "partial_rotary_factor", "decoder_sparse_step")
    for key in (*good, *optional, "mlp_only_layers", "max_window_layers", "hidden_activation"):
        for wrong in WRONG:
            places = _fault_places(good | {key: wrong})
            assert all(place.startswith("c: ") for place in places)
            assert places or key not in SMALL


def _fault_places(data: dict[str, Any]) -> list[str]:
    try:
        config_from(data, Path("c"))
    except InputError as error:
        return [fault.where for fault in error.faults]
    return []
