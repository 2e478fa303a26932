"""One chip's share of a model whose layers are split over several (tensor parallelism)."""

from __future__ import annotations

from dataclasses import replace

from deploykit.analysis.llm.config import LlmConfig
from deploykit.core.errors import Fault, InputError


def shard(config: LlmConfig, chips: int, where: str) -> LlmConfig:
    """Give the heads, the MLP columns and the vocabulary that one of `chips` has; norms stay whole.

    Raises:
        InputError: a fault for each size that does not divide.
    """
    sizes = {
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "intermediate_size": config.intermediate,
    }
    if config.experts is not None:
        sizes["expert width"] = config.experts.intermediate
        sizes["shared expert width"] = config.experts.shared_intermediate
    faults = [
        Fault(
            f"{where}: {key}", f"{size} does not divide over {chips} chips", "use another --tensor-parallel"
        )
        for key, size in sizes.items()
        if size % chips
    ]
    if faults:
        raise InputError(*faults)
    experts = config.experts
    if experts is not None:
        experts = replace(
            experts,
            intermediate=experts.intermediate // chips,
            shared_intermediate=experts.shared_intermediate // chips,
        )
    return replace(
        config,
        heads=config.heads // chips,
        kv_heads=config.kv_heads // chips,
        intermediate=config.intermediate // chips,
        vocab=-(-config.vocab // chips),  # the last chip's part is padded
        experts=experts,
    )
