"""Speculative decoding: a small model drafts tokens, the large one checks them all in one pass."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.analysis.llm.config import LlmConfig
from deploykit.analysis.llm.costs import LlmCost, cost_llm, cost_phase, step_time_s
from deploykit.analysis.llm.operators import Pass
from deploykit.analysis.llm.params import Phase
from deploykit.analysis.llm.shard import shard
from deploykit.core.profile import ChipProfile


@dataclass(frozen=True)
class SpeculativeCost:
    """A round: `draft_tokens` steps of the draft, one pass of the large model over them and one more.

    `tokens_per_round` is the mean; `peak_bytes` holds both models with their caches.
    """

    draft: LlmConfig
    draft_tokens: int
    acceptance: float
    tokens_per_round: float
    draft_step_s: float
    verify_s: float
    peak_bytes: int
    tokens_per_s: float
    speedup: float


def cost_speculative(
    cost: LlmCost, draft: LlmConfig, profile: ChipProfile, *, draft_tokens: int, acceptance: float, where: str
) -> SpeculativeCost:
    """Cost decoding with a draft model, both on the same chip and in the middle of the text.

    `acceptance` is the probability that the large model keeps a drafted token, each by itself. With k drafted
    tokens a round yields (1 - a^(k + 1)) / (1 - a) on average (Leviathan et al. 2023, equation 1).

    Raises:
        InputError: as `cost_llm`, for the draft.
    """
    params = cost.params
    middle = params.prompt + params.generate // 2
    small = cost_llm(draft, profile, params, where=where)
    run = Pass(
        shard(cost.config, params.tensor_parallel, where), Phase("verify", draft_tokens + 1, middle), params
    )
    verify_s = step_time_s(cost_phase(run, cost.roofline), cost.config, cost.rate)
    draft_step_s = small.decode_time_s / (params.generate - 1)
    tokens = expected_tokens(draft_tokens, acceptance)
    round_s = draft_tokens * draft_step_s + verify_s
    speed = params.batch * tokens / round_s
    return SpeculativeCost(
        draft,
        draft_tokens,
        acceptance,
        tokens,
        draft_step_s,
        verify_s,
        cost.memory.peak_bytes + small.memory.peak_bytes,
        speed,
        speed / cost.tokens_per_s,
    )


def expected_tokens(draft_tokens: int, acceptance: float) -> float:
    """Give the mean tokens of a round: those accepted before the first refusal, and the large model's own."""
    return sum(acceptance**count for count in range(draft_tokens + 1))
