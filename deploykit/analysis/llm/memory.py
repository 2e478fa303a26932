"""What a language model keeps in memory: weights, the key-value cache, activations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deploykit.analysis.llm.config import Experts, Layer, LlmConfig
from deploykit.analysis.llm.operators import Pass, kept_keys, layer_operators, outer_operators
from deploykit.analysis.llm.params import LlmParams, Phase


@dataclass(frozen=True)
class LlmMemory:
    """Bytes on one chip. `kv_bytes` is the cache when the last token has come out, `activation_bytes` the
    largest operator's inputs and outputs during the prompt, with the residual stream beside them."""

    parameters: int
    weight_bytes: int
    kv_bytes: int
    activation_bytes: int

    @property
    def peak_bytes(self) -> int:
        """Give all of them together: an upper bound, for the cache is full only at the end."""
        return self.weight_bytes + self.kv_bytes + self.activation_bytes


def plan_memory(config: LlmConfig, params: LlmParams) -> LlmMemory:
    """Give the memory of one chip's share of a model."""
    run = Pass(config, Phase("prefill", params.prompt, 0), params)
    count = count_parameters(config)
    values = sum(kept_keys(params.prompt + params.generate - 1, layer.window) for layer in config.layers)
    widest = max(
        operator.read_bytes + operator.write_bytes
        for operators in (*(layer_operators(run, kind) for kind in set(config.layers)), outer_operators(run))
        for operator in operators
    )
    return LlmMemory(
        parameters=count,
        weight_bytes=_stored_bytes(run, count),
        kv_bytes=run.cached(2 * params.batch * values * config.kv_heads * config.head_dim),
        activation_bytes=widest + run.activations(run.rows * config.hidden),
    )


def _stored_bytes(run: Pass, count: int) -> int:
    """Give the bytes of all parameters; projections of the layers as `Pass.projection` keeps them."""
    matrices = [matrix for layer in run.config.layers for matrix in _projections(run.config, layer)]
    others = count - sum(copies * inputs * outputs for inputs, outputs, copies in matrices)
    kept = sum(copies * run.projection(inputs, outputs).stored_bytes for inputs, outputs, copies in matrices)
    return run.weights(others) + kept


def _projections(config: LlmConfig, layer: Layer) -> Iterator[tuple[int, int, int]]:
    """Give inputs, outputs and number of each kind of weight matrix in a layer, its router aside."""
    hidden, queries, keys = config.hidden, config.heads * config.head_dim, config.kv_heads * config.head_dim
    yield from ((hidden, queries, 1), (hidden, keys, 2), (queries, hidden, 1))
    experts = config.experts if layer.experts else None
    widths = [(config.intermediate, 1)]
    if experts is not None:
        widths = [(experts.intermediate, experts.count), (experts.shared_intermediate, 1)]
    for width, copies in widths:
        if width:
            yield hidden, width, copies * (2 if config.gated else 1)
            yield width, hidden, copies


def count_parameters(config: LlmConfig) -> int:
    """Count all parameters; a table that embedding and `lm_head` share counts once."""
    tables = 1 if config.tied else 2
    norm = config.hidden * (2 if config.layer_norm else 1)
    outer = tables * config.vocab * config.hidden + norm + config.vocab * config.head_bias
    return outer + sum(_layer_parameters(config, layer) for layer in config.layers)


def _layer_parameters(config: LlmConfig, layer: Layer) -> int:
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    attention = config.hidden * (2 * queries + 2 * keys)
    attention += (queries + 2 * keys) * config.qkv_bias + config.hidden * config.output_bias
    norms = config.norms * config.hidden * (2 if config.layer_norm else 1)
    norms += 2 * config.head_dim * config.qk_norm
    if layer.experts and config.experts is not None:
        return attention + norms + _expert_parameters(config, config.experts)
    return attention + norms + _mlp_parameters(config, config.intermediate)


def _mlp_parameters(config: LlmConfig, width: int) -> int:
    inputs = 2 if config.gated else 1
    biases = (inputs * width + config.hidden) * config.mlp_bias
    return (inputs + 1) * config.hidden * width + biases


def _expert_parameters(config: LlmConfig, experts: Experts) -> int:
    count = experts.count * (_mlp_parameters(config, experts.intermediate) + config.hidden)
    if experts.shared_intermediate:
        count += _mlp_parameters(config, experts.shared_intermediate) + config.hidden
    return count
