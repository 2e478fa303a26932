"""The work of the split step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from deploykit.artifacts.model import Equality, Model, Partition
from deploykit.core.errors import FindingError, InputError
from deploykit.core.graph.foreign import cut_foreign
from deploykit.core.graph.index import GraphIndex, all_graphs
from deploykit.core.graph.model import OnnxModel, load_model
from deploykit.core.profile import ChipProfile
from deploykit.core.workspace import Workspace
from deploykit.stages.proof.compare import NotRunnable, ProofPlan, compare_runs, record, run_all
from deploykit.stages.proof.networks import open_model, proof_graph
from deploykit.stages.split.build import build_segments
from deploykit.stages.split.params import SplitParams
from deploykit.stages.split.pieces import Piece, plan_pieces
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


def split_network(
    model: Model,
    clips: Iterable[Clip],
    *,
    profile: ChipProfile,
    params: SplitParams,
    workspace: Workspace,
    node_time_s: Mapping[str, float] | None,
) -> Partition:
    """See `split_model`."""
    whole = load_model(workspace.folder(model.files) / model.files[0].name)
    index = GraphIndex(whole.proto.graph)
    notices: list[str] = []
    pieces = plan_pieces(
        index, model.graph, profile=profile, params=params, node_time_s=node_time_s, notices=notices
    )
    with workspace.scratch() as scratch:
        segments, shared = build_segments(whole, pieces, workspace, scratch)
        partition = Partition(
            network=model.network,
            inputs=model.graph.inputs,
            outputs=model.graph.outputs,
            segments=segments,
            state=model.state,
            equality=None,
            shared_weights=shared,
        )
        notices += [
            f"weight {weight.name!r} ({weight.size_bytes} bytes) is needed by "
            f"{' and '.join(weight.segments)}; it is stored once"
            for weight in shared
        ]
        equality = _prove(whole, partition, pieces, clips, params, workspace, scratch, notices)
    return dataclasses.replace(partition, equality=equality, notices=tuple(notices))


def _prove(
    whole: OnnxModel,
    partition: Partition,
    pieces: Sequence[Piece],
    clips: Iterable[Clip],
    params: SplitParams,
    workspace: Workspace,
    scratch: Path,
    notices: list[str],
) -> Equality | None:
    """Run the whole and the chain on the same data, frame by frame; raises FindingError unless bit-equal."""
    if not params.proof_frames:
        notices.append("not proved equal to the whole: `proof_frames` is 0")
        return None
    plan = ProofPlan(params.proof_frames, params.seed, partition.state)
    graph, holes = proof_graph(whole), cut_foreign(whole)
    try:
        network = open_model(whole, scratch, "proof_whole", partition.state)
    except InputError as error:
        notices.append(f"not proved equal to the whole, which does not load here: {error}")
        return None
    try:
        recorded = record(network, graph, clips, plan, holes.made if holes else ())
    except NotRunnable as error:
        notices.append(f"not proved equal to the whole, which does not run on random inputs: {error}")
        return None
    if recorded.random:
        notices.append(
            f"proved equal to the whole on random inputs (seed {params.seed}), as no data was given"
        )
    if holes:
        notices.append("proved equal to the whole without the operators that only the chip's side can run")
    runnable = tuple(s for s, piece in zip(partition.segments, pieces, strict=True) if not piece.foreign)
    shown = dataclasses.replace(partition, segments=runnable, inputs=graph.inputs, outputs=graph.outputs)
    chain = ReferenceNetwork(shown, workspace, exact=True)
    equality = compare_runs(recorded.runs, run_all(chain, recorded.clips))
    if not equality.bit_equal and _is_random(whole):
        notices.append("the network draws random numbers, so the chain and the whole cannot be compared")
        return None
    if not equality.bit_equal:
        raise FindingError(
            f"{partition.network}: the chain of segments differs from the whole by {equality.max_abs:g} "
            f"at {equality.where}"
        )
    return equality


def _is_random(model: OnnxModel) -> bool:
    return any(node.op_type in RANDOM for graph in all_graphs(model.proto.graph) for node in graph.node)
