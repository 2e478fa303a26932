"""Plan memory: every activation gets an offset, every block a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploykit.artifacts.memory import MemoryPlan
from deploykit.stages.memory.params import MemoryParams

if TYPE_CHECKING:
    from deploykit.artifacts.model import Partition
    from deploykit.artifacts.precision import PrecisionPlan
    from deploykit.core.profile import ChipProfile
    from deploykit.stages.call import StageCall

__all__ = ["GIVES", "PARAMS", "MemoryParams", "plan_memory", "run"]

PARAMS = MemoryParams
GIVES = MemoryPlan


def plan_memory(
    partition: Partition, plan: PrecisionPlan, *, profile: ChipProfile, params: MemoryParams
) -> MemoryPlan:
    """Place all activations of a network: an arena a segment, a shared block, and double buffers for state.

    Reads the float partition; `plan` says in which type each activation is stored. An arena holds what
    lives inside one segment, at steps that are its node indices. The shared block holds what crosses
    segments and the network's inputs and outputs, at steps that are segment indices. Each packing has
    passed the independent validator.
    """
    from deploykit.stages.memory.plan import plan_network_memory  # the solvers: only when the step runs

    return plan_network_memory(partition, plan, profile=profile, params=params)


def run(call: StageCall) -> MemoryPlan:
    """Plan one network's memory."""
    return plan_memory(
        call.inputs["split"], call.inputs["precision"], profile=call.profile, params=call.params
    )
