"""What a language model's `config.json` (Hugging Face) says of its sizes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploykit.analysis.llm.families import ACTIVATIONS, FAMILIES, Activation, Family
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean


@dataclass(frozen=True)
class Experts:
    """A mixture of experts: `count` of them, `per_token` chosen for each token, and an expert for all tokens
    of `shared_intermediate` units (0: none)."""

    count: int
    per_token: int
    intermediate: int
    shared_intermediate: int = 0


@dataclass(frozen=True)
class Layer:
    """What tells a model's layers apart: keys that a query sees (None: all), experts or a dense MLP."""

    window: int | None = None
    experts: bool = False


@dataclass(frozen=True)
class LlmConfig:
    """A decoder-only transformer. The width of the attention is heads x head_dim, not always `hidden`.

    `norms` counts those of one layer, on `hidden` elements each; `qk_norm` comes on top, on each head of
    query and key. `parallel`: attention and MLP read the same norm, and one addition takes both.
    """

    family: str
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool
    layers: tuple[Layer, ...]
    activation: Activation = "silu"
    gated: bool = True
    layer_norm: bool = False
    norms: int = 2
    qk_norm: bool = False
    parallel: bool = False
    rotated: int = 0
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    scaled_embedding: bool = False
    score_cap: bool = False
    logit_cap: bool = False
    experts: Experts | None = None


def read_config(path: Path) -> LlmConfig:
    """Read a `config.json`; of a multimodal one, the `text_config`.

    Raises:
        InputError: no JSON, an unknown family, or everything that is missing or impossible in it.
    """
    return _read(_open(path))


def config_from(data: Mapping[str, Any], path: Path) -> LlmConfig:
    """Read what a `config.json` holds from values; `path` says where they come from.

    Raises:
        InputError: as `read_config`.
    """
    return _read(_Reader(path, "", data))


def _read(reader: _Reader) -> LlmConfig:
    kind = reader.data.get("model_type")
    family = FAMILIES.get(kind) if isinstance(kind, str) else None
    if not isinstance(kind, str) or family is None:
        near = did_you_mean(kind, FAMILIES) if isinstance(kind, str) else ""
        what = f"no model family {kind!r}{near}"
        raise input_error(reader.place("model_type"), what, f"known are: {', '.join(FAMILIES)}")
    config = _config(kind, family, reader)
    if reader.faults:
        raise InputError(*reader.faults)
    return config


def _open(path: Path) -> _Reader:
    fix = "give a model's config.json"
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text)
    except OSError as error:
        raise input_error(str(path), f"cannot be read: {error.strerror}", fix) from error
    except UnicodeDecodeError as error:
        raise input_error(str(path), "is not a text file", fix) from error
    except json.JSONDecodeError as error:
        raise input_error(f"{path}:{error.lineno}:{error.colno}", f"is not JSON: {error.msg}", fix) from error
    except RecursionError as error:
        raise input_error(str(path), "is nested too deeply", fix) from error
    if not isinstance(data, dict):
        raise input_error(str(path), "holds no JSON object", fix)
    inner = data.get("text_config")
    if isinstance(inner, dict) and data.get("model_type") not in FAMILIES:
        return _Reader(path, text, inner, text.index('"text_config"'))
    return _Reader(path, text, data)


class _Reader:
    """Takes values out of the file; what is wrong becomes a fault and a harmless stand-in."""

    def __init__(self, path: Path, text: str, data: Mapping[str, Any], start: int = 0) -> None:
        self.path, self.text, self.start = path, text, start
        self.data = data
        self.faults: list[Fault] = []
        self.bad: set[str] = set()

    def place(self, key: str) -> str:
        """Give the file, the line where it has one, and the key."""
        at = self.text.find(f'"{key}"', self.start)
        line = f":{self.text.count(chr(10), 0, at) + 1}" if at >= 0 else ""
        return f"{self.path}{line}: {key}"

    def fault(self, key: str, what: str, fix: str) -> None:
        """Note what is wrong with a key, once."""
        if key not in self.bad:
            self.faults.append(Fault(self.place(key), what, fix))
        self.bad.add(key)

    def whole(self, key: str, default: int | None = None, *, least: int = 1, most: int = 2**40) -> int:
        """Give a whole number; None as default means that the file must have it."""
        value = self.data.get(key)
        if value is None and default is not None:
            return default
        allowed = f"a whole number from {least} to {most}"
        if value is None:
            self.fault(key, "is missing", f"{allowed} is needed")
        elif isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fault(key, f"is {value!r}", f"allowed is {allowed}")
        else:
            return value
        return max(least, 1)

    def flag(self, key: str, default: bool) -> bool:
        """Give true or false."""
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fault(key, f"is {value!r}", "allowed are true and false")
            return default
        return value


def _config(kind: str, family: Family, read: _Reader) -> LlmConfig:
    hidden, heads = read.whole("hidden_size"), read.whole("num_attention_heads")
    kv_heads = read.whole("num_key_value_heads", heads)
    if heads % kv_heads and not read.bad & {"num_attention_heads", "num_key_value_heads"}:
        read.fault(
            "num_key_value_heads", f"{kv_heads} does not divide {heads} heads", "allowed is a divisor of them"
        )
    head_dim = read.whole("head_dim", family.head_dim or _even_split(read, hidden, heads))
    bias = read.flag("attention_bias", False)
    experts = _experts(family, read)
    needs_dense = experts is None or family.experts == ("num_local_experts", "intermediate_size")
    traits = {"output_bias": bias, "mlp_bias": read.flag("mlp_bias", False), **family.traits}
    return LlmConfig(
        family=kind,
        hidden=hidden,
        intermediate=read.whole(
            "intermediate_size", None if needs_dense else experts.intermediate if experts else 1
        ),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        vocab=read.whole("vocab_size"),
        tied=read.flag("tie_word_embeddings", family.tied),
        layers=_layers(family, read, experts),
        activation=_activation(family, read),
        rotated=int(head_dim * _share(read, 0.5 if kind == "phi" else 1.0)),
        qkv_bias=family.qkv_bias or bias,
        score_cap=read.data.get("attn_logit_softcapping") is not None,
        logit_cap=read.data.get("final_logit_softcapping") is not None,
        experts=experts,
        **traits,
    )


def _even_split(read: _Reader, hidden: int, heads: int) -> int:
    if (
        hidden % heads
        and read.data.get("head_dim") is None
        and not read.bad & {"hidden_size", "num_attention_heads"}
    ):
        read.fault("head_dim", "is missing", f"it is needed, since {heads} heads do not divide {hidden}")
    return max(hidden // heads, 1)


def _share(read: _Reader, default: float) -> float:
    value = read.data.get("partial_rotary_factor")
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        read.fault("partial_rotary_factor", f"is {value!r}", "allowed is a number from 0 to 1")
        return default
    return float(value)


def _activation(family: Family, read: _Reader) -> Activation:
    name = read.data.get("hidden_activation") or read.data.get("hidden_act") or family.activation or "silu"
    if not isinstance(name, str) or name not in ACTIVATIONS:
        read.fault("hidden_act", f"no activation {name!r}", f"known are: {', '.join(ACTIVATIONS)}")
        return "silu"
    return ACTIVATIONS[name]


def _experts(family: Family, read: _Reader) -> Experts | None:
    if family.experts is None:
        return None
    count_key, width_key = family.experts
    count, per_token = read.whole(count_key), read.whole("num_experts_per_tok")
    if per_token > count:
        read.fault(
            "num_experts_per_tok", f"{per_token} is more than {count} experts", f"allowed is 1 to {count}"
        )
    return Experts(
        count, per_token, read.whole(width_key), read.whole("shared_expert_intermediate_size", 0, least=0)
    )


def _layers(family: Family, read: _Reader, experts: Experts | None) -> tuple[Layer, ...]:
    count = read.whole("num_hidden_layers", most=10_000)
    window = read.whole("sliding_window", 0)
    first_windowed = read.whole("max_window_layers", 28, least=0)
    pattern = read.whole("sliding_window_pattern", 6)
    types = _layer_types(read, count)
    layers = []
    for index in range(count):
        windowed = {
            "none": False,
            "all": True,
            "last": bool(read.data.get("use_sliding_window")) and index >= first_windowed,
            "every other": index % 2 == 0,
            "all but the last of a pattern": (index + 1) % pattern != 0,
        }[family.windowed]
        if types:
            windowed = types[index] == "sliding_attention"
        sparse = experts is not None and _is_sparse(read, index)
        layers.append(Layer(window if windowed and window else None, sparse))
    return tuple(layers)


def _is_sparse(read: _Reader, index: int) -> bool:
    dense = read.data.get("mlp_only_layers")
    return (
        not (isinstance(dense, list) and index in dense)
        and (index + 1) % read.whole("decoder_sparse_step", 1) == 0
    )


def _layer_types(read: _Reader, count: int) -> list[str]:
    types = read.data.get("layer_types")
    if types is None:
        return []
    known = ("full_attention", "sliding_attention")
    if not isinstance(types, list) or len(types) != count or any(name not in known for name in types):
        read.fault("layer_types", "cannot be used", f"allowed are {count} of: {', '.join(known)}")
        return []
    return types
