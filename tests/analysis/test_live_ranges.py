"""Lifetimes of hand-made graphs, step by step."""

from __future__ import annotations

from deploykit.analysis.live_ranges import LiveRange, live_ranges
from deploykit.analysis.storage_roots import SharingRules, StorageRoot, storage_roots
from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo


def node(op: str, inputs: str, outputs: str, *bodies: GraphInfo) -> NodeInfo:
    names = tuple((f"body{index}", body) for index, body in enumerate(bodies))
    return NodeInfo(outputs.split()[0], op, "", tuple(inputs.split()), tuple(outputs.split()), (), names)


def graph(inputs: str, outputs: str, *nodes: NodeInfo) -> GraphInfo:
    names = dict.fromkeys([*inputs.split(), *(name for item in nodes for name in item.outputs)])
    tensors = tuple(TensorInfo(name, "float", (4,)) for name in names)
    return GraphInfo("g", 17, tuple(inputs.split()), tuple(outputs.split()), tensors, nodes)


def test_a_tensor_lives_from_its_node_to_the_end_of_its_last_reader() -> None:
    ranges = live_ranges(
        graph("x u", "y", node("Exp", "x", "a"), node("Neg", "a", "b"), node("Add", "a b", "y"))
    )

    assert ranges == {
        "x": LiveRange(0, 1),
        "u": LiveRange(0, 1),  # nobody reads it; it is there when the first node starts
        "a": LiveRange(0, 3),
        "b": LiveRange(1, 3),
        "y": LiveRange(2, 3),
    }


def test_outputs_live_to_the_end_and_unread_results_to_the_end_of_their_node() -> None:
    ranges = live_ranges(
        graph("x", "early", node("Exp", "x", "early"), node("Split", "x", "p q"), node("Neg", "p", "r"))
    )

    assert ranges["early"] == LiveRange(0, 3)
    assert (ranges["p"], ranges["q"], ranges["r"]) == (LiveRange(1, 3), LiveRange(1, 2), LiveRange(2, 3))


def test_a_body_that_reads_a_tensor_keeps_it_alive() -> None:
    body = GraphInfo("b", 17, (), ("t",), (), (node("Neg", "a", "t"),), captured=("a",))

    ranges = live_ranges(
        graph("x c", "y", node("Exp", "x", "a"), node("Neg", "x", "d"), node("If", "c", "y", body))
    )

    assert ranges["a"] == LiveRange(0, 3)


def roots(made: GraphInfo, *, pinned: frozenset[str] = frozenset()) -> dict[tuple[str, ...], StorageRoot]:
    stored = {tensor.name: Stored("float", (4,)) for tensor in made.tensors}
    return {root.tensors: root for root in storage_roots(made, stored, pinned=pinned, rules=SharingRules())}


def test_a_result_takes_the_place_of_an_input_that_dies() -> None:
    made = graph("x", "y", node("Exp", "x", "a"), node("Neg", "a", "b"), node("Softmax", "b", "y"))

    found = roots(made)

    assert set(found) == {("x",), ("a", "b"), ("y",)}
    assert found["a", "b"].live == LiveRange(0, 3)
    assert found["y",].boundary == "y"


def test_an_input_that_is_read_later_keeps_its_place() -> None:
    made = graph("x", "y", node("Exp", "x", "a"), node("Neg", "a", "b"), node("MatMul", "a b", "y"))

    assert set(roots(made)) == {("x",), ("a",), ("b",), ("y",)}


def test_an_alias_that_is_read_later_keeps_the_place_of_its_source() -> None:
    # c may not take the place of a: v, which is a under another shape, is read afterwards.
    made = graph(
        "x",
        "y",
        node("Exp", "x", "a"),
        node("Reshape", "a s", "v"),
        node("Neg", "a", "c"),
        node("MatMul", "v c", "y"),
    )

    assert set(roots(made)) == {("x",), ("a", "v"), ("c",), ("y",)}


def test_state_shares_with_nobody() -> None:
    made = graph("h", "n", node("Identity", "h", "a"), node("Neg", "a", "n"))

    assert set(roots(made, pinned=frozenset({"h", "n"}))) == {("h",), ("a",), ("n",)}


def test_operators_of_other_domains_promise_nothing() -> None:
    custom = NodeInfo("b", "Neg", "vendor", ("a",), ("b",))
    made = graph("x", "y", node("Exp", "x", "a"), custom, node("Softmax", "b", "y"))

    assert set(roots(made)) == {("x",), ("a",), ("b",), ("y",)}
