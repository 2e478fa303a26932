"""State pairs: what leaves the network and enters it again has to fit."""

from __future__ import annotations

from collections.abc import Sequence

from deploykit.artifacts.graph import GraphInfo, TensorInfo
from deploykit.artifacts.model import StatePair
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean


def check_state(graph: GraphInfo, pairs: Sequence[StatePair]) -> None:
    """Raise InputError with every pair that names no output or input, repeats one, or changes its type."""
    faults = []
    for pair in pairs:
        if pair.output not in graph.outputs:
            what = f"the network has no such output{did_you_mean(pair.output, graph.outputs)}"
            faults.append(Fault(f"state output {pair.output!r}", what))
        if pair.input not in graph.inputs:
            what = f"the network has no such input{did_you_mean(pair.input, graph.inputs)}"
            faults.append(Fault(f"state input {pair.input!r}", what))
        if sum(other.input == pair.input for other in pairs) > 1:
            faults.append(Fault(f"state input {pair.input!r}", "two pairs feed it", "leave one of them out"))
    if not faults:
        faults = [fault for pair in pairs if (fault := _mismatch(graph, pair))]
    if faults:
        raise InputError(*dict.fromkeys(faults))


def _mismatch(graph: GraphInfo, pair: StatePair) -> Fault | None:
    left, right = graph.tensor[pair.output], graph.tensor[pair.input]
    if left.dtype == right.dtype and _fit(left, right):
        return None
    what = f"{_shown(left)} leaves the network and {_shown(right)} enters it"
    return Fault(f"state {pair.output!r} -> {pair.input!r}", what, "both must be of the same type and shape")


def _fit(left: TensorInfo, right: TensorInfo) -> bool:
    """Say whether shapes can be equal; a free size fits any other."""
    if left.shape is None or right.shape is None:
        return True
    if len(left.shape) != len(right.shape):
        return False
    sizes = zip(left.shape, right.shape, strict=True)
    return all(a == b or not isinstance(a, int) or not isinstance(b, int) for a, b in sizes)


def _shown(tensor: TensorInfo) -> str:
    return f"{tensor.dtype}[{', '.join(map(str, tensor.shape or ()))}]"
