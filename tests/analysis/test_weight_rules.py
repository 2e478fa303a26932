"""Which layers keep 8 bits among 4-bit ones."""

from __future__ import annotations

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.weight_rules import eight_bit_layers
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.model import Partition, Segment


def flow_of(shapes: dict[str, tuple[int, ...]], nodes: tuple[NodeInfo, ...]) -> NetworkFlow:
    tensors = tuple(TensorInfo(name, "float", shape, is_weight=True) for name, shape in shapes.items())
    graph = GraphInfo("g", 17, ("x",), ("y",), tensors, nodes)
    return NetworkFlow(Partition("net", ("x",), ("y",), (Segment("s", (), graph, "npu", ""),), (), None))


def test_depthwise_first_and_last_layers_say_why() -> None:
    shapes = {
        "w0": (16, 3, 3, 3),
        "w1": (16, 1, 3, 3),
        "w2": (64, 16, 1, 1),
        "w3": (64, 16, 1, 1),
        "w4": (32, 9),
    }
    nodes = (
        NodeInfo("a", "Conv", "", ("x", "w0"), ("a",)),
        NodeInfo("b", "Conv", "", ("a", "w1"), ("b",), (("group", 16),)),
        NodeInfo("c", "Conv", "", ("b", "w2"), ("c",)),
        NodeInfo("d", "Conv", "", ("c", "w3"), ("d",), (("group", 2),)),
        NodeInfo("e", "MatMul", "", ("d", "d"), ("e",)),  # no weights
        NodeInfo("y", "MatMul", "", ("d", "w4"), ("y",)),
    )
    flow = flow_of(shapes, nodes)
    found = eight_bit_layers(flow)
    assert set(found) == {"a", "b", "y"}
    assert found["b"].startswith("Is depthwise")
    assert found["a"].startswith("Is the network's first or last layer")


def chain(**sizes: int) -> NetworkFlow:
    """Give MatMuls in a row, with so many weights each."""
    names = list(sizes)
    nodes = tuple(
        NodeInfo(name, "MatMul", "", (source, f"w_{name}"), (name,))
        for name, source in zip(names, ["x", *names], strict=False)
    )
    return flow_of({f"w_{name}": (1, size) for name, size in sizes.items()}, nodes)


def test_small_layers_keep_8_bits_as_long_as_they_are_few_weights() -> None:
    """1 % of 10,000 weights is 100, 5 % is 500: b to e hold 90 + 95 + 98 + 99 = 382, f is too large."""
    found = eight_bit_layers(chain(a=10, b=90, c=95, d=98, e=99, f=150, g=9448, y=10))
    assert set(found) == {"a", "b", "c", "d", "e", "y"}
    assert found["c"].startswith("Is small")


def test_a_last_layer_with_most_of_the_weights_has_4_bits() -> None:
    """60 % of the weights should lie in 4 bits: a last layer of 41 % cannot keep 8."""
    assert set(eight_bit_layers(chain(a=10, b=580, y=410))) == {"a"}
    assert set(eight_bit_layers(chain(a=10, b=600, y=390))) == {"a", "y"}
