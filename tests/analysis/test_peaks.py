"""What a Softmax, an ArgMax or a TopK ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.peaks import peak_tensors
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.model import Partition, Segment

if TYPE_CHECKING:
    from collections.abc import Iterable


def node(op: str, inputs: str, outputs: str) -> NodeInfo:
    return NodeInfo(outputs.split()[0], op, "", tuple(inputs.split()), tuple(outputs.split()), ())


def peaks(*nodes: NodeInfo, weights: Iterable[str] = ()) -> frozenset[str]:
    """Give the peaks of a network `x` -> `y` of these nodes."""
    names = dict.fromkeys(name for item in nodes for name in (*item.inputs, *item.outputs))
    tensors = tuple(TensorInfo(name, "float", (4,), is_weight=name in weights) for name in names)
    graph = GraphInfo("g", 17, ("x",), ("y",), tensors, nodes)
    segment = Segment("whole", (), graph, "npu", "")
    return peak_tensors(NetworkFlow(Partition("net", ("x",), ("y",), (segment,), (), None)))


def test_logits_are_followed_back_to_their_layer() -> None:
    assert peaks(
        node("Gemm", "x w", "sums"),
        node("Add", "sums b", "logits"),
        node("Reshape", "logits shape", "rows"),
        node("Softmax", "rows", "y"),
        weights=("w", "b", "shape"),
    ) == {"sums", "logits", "rows"}


def test_a_sum_of_two_activations_ends_the_walk_and_a_concat_does_not() -> None:
    assert peaks(
        node("Conv", "x w", "a"),
        node("Conv", "x w", "b"),
        node("Add", "a b", "c"),
        node("Sigmoid", "b", "d"),
        node("Concat", "c d", "e"),
        node("TopK", "e k", "y"),
        weights=("w", "k"),
    ) == {"b", "c", "d", "e"}


def test_what_nobody_ranks_has_no_peaks() -> None:
    assert peaks(node("Conv", "x w", "a"), node("Sigmoid", "a", "y"), weights=("w",)) == frozenset()
