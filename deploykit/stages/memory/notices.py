"""What the user has to know of a memory plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploykit.analysis.stored import Stored
from deploykit.artifacts.model import Partition
from deploykit.core.profile import ChipProfile
from deploykit.stages.memory.params import MemoryParams


def plan_notices(
    partition: Partition, stored: Mapping[str, Stored], unsized: Sequence[str], alignment_bytes: int
) -> list[str]:
    """Say what the plan leaves out or assumes."""
    empty = [name for name, form in stored.items() if not form.size_bytes]
    notices = []
    if unsized:
        named = ", ".join(unsized[:5]) + (" ..." if len(unsized) > 5 else "")
        notices.append(
            f"{len(unsized)} tensors have no known size and are in no arena ({named}): "
            "the plan is incomplete; bind the network's dynamic dimensions, or give the largest shapes of "
            "those that depend on data in `memory.upper_bounds`"
        )
    if empty:
        shown = ", ".join(f"{name} {list(stored[name].shape)}" for name in empty[:5])
        shown += " ..." if len(empty) > 5 else ""
        notices.append(
            f"{len(empty)} tensors have a size of 0 and need no bytes ({shown}): each has {alignment_bytes} "
            "bytes nonetheless; if a free dimension was bound to 0, bind it to what the network sees"
        )
    bodies = [node for segment in partition.segments for node in segment.graph.nodes if node.subgraphs]
    if bodies:
        named = ", ".join(node.id for node in bodies[:5]) + (" ..." if len(bodies) > 5 else "")
        notices.append(
            f"{len(bodies)} nodes have bodies ({named}): each is one step here, and the tensors inside have "
            "a block of scratch for this step"
        )
    return notices


def left_out(params: MemoryParams, profile: ChipProfile) -> list[str]:
    """Say where banks were asked for and none are planned."""
    if not (params.banks and params.parallel_nodes) or profile.on_chip.size_bytes.value is None:
        return []
    return [
        "the chip's banks are not planned: nodes that may run at once have no order "
        "(memory.parallel_nodes); leave it out to see them"
    ]
