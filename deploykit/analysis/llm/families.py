"""The model families that are known, and what each one implies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Activation: TypeAlias = Literal["silu", "gelu", "gelu_tanh"]

Windowed: TypeAlias = Literal["none", "all", "last", "every other", "all but the last of a pattern"]

ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
"""The names of `hidden_act`, and the function that each one is."""


@dataclass(frozen=True)
class Family:
    """What a `model_type` implies that its file need not say."""

    tied: bool = False
    head_dim: int | None = None
    activation: str | None = None
    qkv_bias: bool = False
    traits: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `LlmConfig` that are always so."""
    windowed: Windowed = "none"
    """Which layers' attention looks through `sliding_window`, where the file has no `layer_types`."""
    experts: tuple[str, str] | None = None
    """The keys of the number of experts and of their width."""


_GEMMA = {"scaled_embedding": True}
_PHI = {
    "gated": False, "layer_norm": True, "norms": 1, "parallel": True,
    "output_bias": True, "mlp_bias": True, "head_bias": True,
}  # fmt: skip

FAMILIES: dict[str, Family] = {
    "gemma": Family(True, 256, "gelu_pytorch_tanh", traits=_GEMMA),
    "gemma2": Family(True, 256, "gelu_pytorch_tanh", traits=_GEMMA | {"norms": 4}, windowed="every other"),
    "gemma3_text": Family(
        True,
        256,
        "gelu_pytorch_tanh",
        traits=_GEMMA | {"norms": 4, "qk_norm": True},
        windowed="all but the last of a pattern",
    ),
    "llama": Family(),
    "mistral": Family(windowed="all"),
    "mixtral": Family(windowed="all", experts=("num_local_experts", "intermediate_size")),
    "phi": Family(activation="gelu_new", qkv_bias=True, traits=_PHI),
    "phi3": Family(windowed="all"),
    "qwen2": Family(qkv_bias=True, windowed="last"),
    "qwen2_moe": Family(qkv_bias=True, windowed="last", experts=("num_experts", "moe_intermediate_size")),
    "qwen3": Family(head_dim=128, traits={"qk_norm": True}, windowed="last"),
    "qwen3_moe": Family(
        head_dim=128,
        traits={"qk_norm": True},
        windowed="last",
        experts=("num_experts", "moe_intermediate_size"),
    ),
}
"""The families that are known, by `model_type`."""
