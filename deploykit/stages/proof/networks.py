"""Whole models as networks: one ONNX file, exact, frame by frame, with state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from deploykit.analysis.summary import summarise
from deploykit.artifacts.graph import GraphInfo
from deploykit.artifacts.model import StatePair
from deploykit.core.graph.foreign import cut_foreign
from deploykit.core.graph.model import OnnxModel
from deploykit.core.graph.save import save_model
from deploykit.core.runtime import open_session, run_session
from deploykit.stages.proof.data import zero_state
from deploykit.tasks.protocol import Array


class WholeNetwork:
    """One ONNX file as a `Network`: exact, frame by frame, with its state pairs."""

    def __init__(
        self, file: Path, outputs: Sequence[str], state: Sequence[StatePair], zeros: Mapping[str, Array]
    ) -> None:
        self._name = file.name
        self._session = open_session(file)
        self._inputs = {value.name for value in self._session.get_inputs()}
        self._outputs, self._pairs, self._zeros = tuple(outputs), tuple(state), zeros
        self._state: dict[str, Array] = dict(zeros)

    def reset(self) -> None:
        """Forget the state."""
        self._state = dict(self._zeros)

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one frame; inputs that the file does not have are ignored."""
        fed = {name: value for name, value in {**self._state, **inputs}.items() if name in self._inputs}
        results = run_session(self._session, fed, self._outputs, name=self._name)
        values = dict(zip(self._outputs, results, strict=True))
        self._state = {pair.input: values[pair.output] for pair in self._pairs}
        return values


def open_model(
    model: OnnxModel, scratch: Path, label: str, state: tuple[StatePair, ...], free_size: int = 1
) -> WholeNetwork:
    """Open a model as a network; foreign operators are left out, what they write must be fed."""
    holes = cut_foreign(model)
    shown = holes.model if holes else model
    file = save_model(shown, scratch, label)[0]
    graph = summarise(shown)
    return WholeNetwork(file, graph.outputs, state, zero_state(graph, state, free_size))


def proof_graph(model: OnnxModel) -> GraphInfo:
    """Give the summary of what is fed in a proof: the model, without its foreign operators."""
    holes = cut_foreign(model)
    return summarise(holes.model if holes else model)
