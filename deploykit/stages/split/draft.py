"""A partition to plan with: the segments that the split step would make, without files or proof."""

from __future__ import annotations

from deploykit.analysis.subgraph import subgraph
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.model import Partition, Segment
from deploykit.core.graph.index import GraphIndex
from deploykit.core.graph.model import OnnxModel
from deploykit.core.profile import ChipProfile
from deploykit.stages.split.params import SplitParams
from deploykit.stages.split.pieces import plan_pieces


def draft_partition(model: OnnxModel, graph: GraphInfo, *, network: str, profile: ChipProfile) -> Partition:
    """Cut a normalised model for a chip as `split.auto` does; `graph` is its summary, in the same order."""
    notices: list[str] = []
    index = GraphIndex(model.proto.graph)
    pieces = plan_pieces(
        index, graph, profile=profile, params=SplitParams(), node_time_s=None, notices=notices
    )
    segments = tuple(
        Segment(
            piece.name, (), subgraph(graph, set(piece.positions), name=piece.name), piece.engine, piece.reason
        )
        for piece in pieces
    )
    return Partition(network, graph.inputs, graph.outputs, segments, (), None, notices=tuple(notices))
