"""Nodes that the plan gives float16, written in float16 where it can hold what they compute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy

from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import PrecisionPlan, network_name
from deploykit.core.graph.half.convert import to_float16
from deploykit.core.graph.index import node_id, node_reads
from deploykit.core.graph.model import OnnxModel
from deploykit.core.workspace import Workspace
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork
from deploykit.toolchains.taps import tapped


def with_float16(
    models: Sequence[OnnxModel],
    partition: Partition,
    plan: PrecisionPlan,
    clips: Iterable[Clip],
    *,
    workspace: Workspace,
) -> tuple[list[OnnxModel], tuple[str, ...]]:
    """Give the quantized segments with the plan's float16 nodes in float16, and what the user should know.

    The float network runs over the clips once more, to see how large these nodes' tensors get.
    """
    ids = {node.node for node in plan.nodes if node.scheme == "float16"}
    if not ids:
        return list(models), ()
    ranges = _extremes(partition, ids, clips, workspace)
    done: list[OnnxModel] = []
    notices: list[str] = []
    for model in models:
        nodes = model.proto.graph.node
        names = {name for node in nodes for name in (*node_reads(node), *node.output)}
        known = {name: ranges[network_name(name)] for name in names if network_name(name) in ranges}
        chosen = {node_id(node) for node in nodes if network_name(node_id(node)) in ids}
        halved = to_float16(model, chosen, known)
        done.append(halved.model)
        notices += halved.notices
    return done, tuple(notices)


def _extremes(
    partition: Partition, ids: set[str], clips: Iterable[Clip], workspace: Workspace
) -> dict[str, tuple[float, float]]:
    """Give the lowest and highest value of every float tensor that these nodes read or write.

    A tensor with NaN gets an infinite range.
    """
    wanted = {
        name
        for segment in partition.segments
        for node in segment.graph.nodes
        if node.id in ids
        for name in (*node.inputs, *node.outputs)
        if name in partition.tensor
        and partition.tensor[name].dtype == "float"
        and not partition.tensor[name].is_weight
    }
    found: dict[str, tuple[float, float]] = {}
    with workspace.scratch() as folder:
        inside, files = tapped(partition, workspace, sorted(wanted), folder)
        network = ReferenceNetwork(inside, files, exact=True)
        for clip in workspace.track(clips, "ranges for float16"):
            network.reset()
            for frame in clip.frames:
                values = {**frame, **network(frame)}
                for name in wanted & set(values):
                    if values[name].size:
                        low, high = float(values[name].min()), float(values[name].max())
                        whole = (-numpy.inf, numpy.inf) if numpy.isnan([low, high]).any() else (low, high)
                        before = found.get(name, whole)
                        found[name] = (min(before[0], whole[0]), max(before[1], whole[1]))
    return found
