"""The network as the plan is made for it: kept tensors, sizes with bounds, scratch of bodies."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploykit.analysis.body_scratch import SUFFIX, body_scratch
from deploykit.analysis.planned import keeping
from deploykit.analysis.stored import Stored, stored_tensors
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.stages.memory.params import MemoryParams


@dataclass(frozen=True)
class Prepared:
    """What is placed. `stored` also has each node's scratch, under the node's id and `SUFFIX`.

    `held` gives for each output that the application holds the frames that it has memory for.
    """

    partition: Partition
    stored: Mapping[str, Stored]
    unsized: tuple[str, ...]
    kept: tuple[str, ...]
    held: Mapping[str, int]

    @property
    def pinned(self) -> frozenset[str]:
        """Tensors with memory of their own, from frame to frame."""
        pairs = (name for pair in self.partition.state for name in (pair.output, pair.input))
        return frozenset((*pairs, *self.held))


def prepare(
    partition: Partition, plan: PrecisionPlan, params: MemoryParams, alignment_bytes: int
) -> Prepared:
    """Apply what the options say of single tensors."""
    bounded = _bounded(partition, params.upper_bounds)
    made = [name for name, info in bounded.tensor.items() if not info.is_weight]
    kept = tuple(
        name
        for name in made
        if name not in bounded.outputs and any(fnmatch.fnmatchcase(name, pattern) for pattern in params.keep)
    )
    kept_all = keeping(bounded, kept)
    stored, unsized = stored_tensors(bounded, plan)
    scratch, inner = _scratch(bounded, alignment_bytes)
    held = {
        name: max(
            frames for pattern, frames in params.hold_outputs.items() if fnmatch.fnmatchcase(name, pattern)
        )
        for name in partition.outputs
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in params.hold_outputs)
    }
    return Prepared(kept_all, {**stored, **scratch}, (*unsized, *inner), kept, held)


def _bounded(partition: Partition, bounds: Mapping[str, Sequence[int]]) -> Partition:
    if not bounds:
        return partition
    segments = []
    for segment in partition.segments:
        tensors = tuple(
            dataclasses.replace(info, upper_bound=tuple(bounds[info.name])) if info.name in bounds else info
            for info in segment.graph.tensors
        )
        graph: GraphInfo = dataclasses.replace(segment.graph, tensors=tensors)
        segments.append(dataclasses.replace(segment, graph=graph))
    return dataclasses.replace(partition, segments=tuple(segments))


def _scratch(partition: Partition, alignment_bytes: int) -> tuple[dict[str, Stored], tuple[str, ...]]:
    found: dict[str, Stored] = {}
    unsized: list[str] = []
    for node in (node for segment in partition.segments for node in segment.graph.nodes if node.subgraphs):
        scratch = body_scratch(node, alignment_bytes)
        unsized += scratch.unsized
        if scratch.size_bytes:
            found[node.id + SUFFIX] = Stored("uint8", (scratch.size_bytes,))
    return found, tuple(dict.fromkeys(unsized))
