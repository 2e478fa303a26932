"""The source's outputs, and how close each later form of the network comes to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.model import Equality, StatePair
from deploykit.core.errors import InputError
from deploykit.core.graph.foreign import cut_foreign
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.save import save_model
from deploykit.stages.export.params import ExportParams
from deploykit.stages.proof import (
    Runs,
    WholeNetwork,
    compare_runs,
    first_frames,
    largest_magnitude,
    random_clips,
    run_all,
    zero_state,
)
from deploykit.tasks.protocol import Clip, Network

FREE_SIZES = (2, 1, 4, 32, 64)
"""Tried in this order for sizes that stay free, where there are no clips."""


@dataclass(frozen=True)
class Recorded:
    """What the source gave on `clips`; `free_size` stands for its free sizes; `data` says what the clips are."""

    clips: tuple[Clip, ...]
    runs: Runs
    free_size: int
    data: str

    def accepts(self, equality: Equality, tolerance: float) -> bool:
        """Say whether a difference is within `tolerance`, relative to the largest output (at least 1)."""
        return equality.max_abs <= tolerance * max(1.0, largest_magnitude(self.runs))


def open_model(
    model: OnnxModel, scratch: Path, label: str, state: tuple[StatePair, ...], free_size: int = 1
) -> WholeNetwork:
    """Open a model as a network; foreign operators are left out, what they write must be fed."""
    holes = cut_foreign(model)
    shown = holes.model if holes else model
    file = save_model(shown, scratch, label)[0]
    graph = summarise(shown)
    pairs = {pair.input: pair for pair in state}
    return WholeNetwork(file, graph.outputs, pairs, zero_state(graph, state, free_size))


def proof_graph(model: OnnxModel) -> GraphInfo:
    """Give the summary of what is fed in a proof: the model, without its foreign operators."""
    holes = cut_foreign(model)
    return summarise(holes.model if holes else model)


def record(network: Network, graph: GraphInfo, clips: Iterable[Clip], params: ExportParams) -> Recorded:
    """Run the source on the clips, or on random data where there are none that feed all of `graph`'s inputs.

    Raises InputError where the source cannot run.
    """
    needed = set(graph.inputs) - {pair.input for pair in params.state}
    given = first_frames(clips, params.proof_frames)
    if given and needed <= set(given[0].frames[0]):
        return Recorded(given, run_all(network, given), 1, f"{len(given)} clips of data")
    static = all(isinstance(size, int) for name in graph.inputs for size in graph.tensor[name].shape or ())
    last: InputError | None = None
    for free_size in FREE_SIZES[: 1 if static else None]:
        made = random_clips(graph, params.state, params.proof_frames, seed=params.seed, free_size=free_size)
        try:
            return Recorded(made, run_all(network, made), free_size, f"random inputs (seed {params.seed})")
        except InputError as error:
            last = last or error
    assert last is not None  # the loop ran at least once, and every turn that did not return set it
    raise last


def measure(
    model: OnnxModel, recorded: Recorded, scratch: Path, label: str, params: ExportParams
) -> Equality:
    """Run a form of the network on the source's data and compare all outputs."""
    network = open_model(model, scratch, label, params.state, recorded.free_size)
    return compare_runs(recorded.runs, run_all(network, recorded.clips))
