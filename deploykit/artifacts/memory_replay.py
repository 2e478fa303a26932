"""Did a network that ran inside its planned memory give what it gives without?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReplayRun:
    """Frames that were run node by node inside the planned blocks, beside the same frames without a plan.

    `values` says in which types: "stored" (those of the precision plan) or "own" (the network's, where the
    run without a plan is onnxruntime's of whole segments). `reads` counts the tensors that nodes read and
    that were compared, `outputs` those compared after each frame; `bit_equal` is about the outputs. `faults`
    are sentences, the first ones of `fault_count`; `skipped` are tensors of unknown size, which
    were run outside the blocks.
    """

    values: str
    frames: int
    reads: int
    outputs: int
    bit_equal: bool
    faults: tuple[str, ...]
    fault_count: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class MemoryReplay:
    """The proof of one network's memory plan by execution. `planned_bytes` are its arenas and state."""

    network: str
    planned_bytes: int
    runs: tuple[ReplayRun, ...]
    notices: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Say whether every run found every value where the plan says."""
        return all(run.bit_equal and not run.fault_count for run in self.runs)
