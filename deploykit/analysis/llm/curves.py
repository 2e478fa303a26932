"""A language model over a grid of settings: what changes with the batch, the prompt, the bits."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deploykit.analysis.llm.config import LlmConfig
from deploykit.analysis.llm.costs import cost_llm
from deploykit.analysis.llm.params import LlmParams
from deploykit.artifacts.costs import Bound
from deploykit.core.profile import ChipProfile

AXES: dict[str, type[int] | type[float]] = {
    "prompt": int,
    "generate": int,
    "batch": int,
    "tensor_parallel": int,
    "weight_bits": float,
    "activation_bits": float,
    "kv_bits": float,
    "sparsity": float,
    "low_rank": float,
}
"""What a curve can run over: fields of `LlmParams`."""


@dataclass(frozen=True)
class CurvePoint:
    """One point of the grid: `values` are those of the axes, in their order."""

    values: tuple[float, ...]
    time_to_first_token_s: float
    tokens_per_s: float
    decode_bound: Bound
    kv_bytes: int
    peak_bytes: int


def cost_curves(
    config: LlmConfig,
    profile: ChipProfile,
    params: LlmParams,
    *,
    axes: Mapping[str, Sequence[float]],
    where: str,
) -> tuple[CurvePoint, ...]:
    """Cost every combination of the axes' values, the last axis fastest; the rest is as `params` say.

    Raises:
        InputError: as `cost_llm`.
    """
    points = []
    for values in itertools.product(*axes.values()):
        changes: dict[str, Any] = dict(zip(axes, values, strict=True))
        cost = cost_llm(config, profile, replace(params, **changes), where=where)
        points.append(
            CurvePoint(
                values,
                cost.time_to_first_token_s,
                cost.tokens_per_s,
                next(iter(cost.decode.time_by_bound())),
                cost.memory.kv_bytes,
                cost.memory.peak_bytes,
            )
        )
    return tuple(points)
