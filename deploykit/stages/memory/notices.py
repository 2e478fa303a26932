"""What the user has to know of a memory plan."""

from __future__ import annotations

from collections.abc import Sequence

from deploykit.artifacts.model import Partition


def plan_notices(partition: Partition, unsized: Sequence[str]) -> list[str]:
    """Say what the plan leaves out."""
    notices = []
    if unsized:
        named = ", ".join(unsized[:5]) + (" ..." if len(unsized) > 5 else "")
        notices.append(
            f"{len(unsized)} tensors have no known size and are in no arena ({named}): "
            "the plan is incomplete; bind the network's dynamic dimensions"
        )
    bodies = [node for segment in partition.segments for node in segment.graph.nodes if node.subgraphs]
    if bodies:
        named = ", ".join(node.id for node in bodies[:5]) + (" ..." if len(bodies) > 5 else "")
        notices.append(
            f"{len(bodies)} nodes have bodies ({named}): each is one step here; the tensors inside are the "
            "engine's own matter and not counted"
        )
    return notices
