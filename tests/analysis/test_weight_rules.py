"""Which layers keep 8 bits among 4-bit ones."""

from __future__ import annotations

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.weight_rules import eight_bit_layers
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.model import Partition, Segment


def test_depthwise_first_and_last_layers_say_why() -> None:
    shapes = {
        "w0": (16, 3, 3, 3),
        "w1": (16, 1, 3, 3),
        "w2": (32, 16, 1, 1),
        "w3": (32, 16, 1, 1),
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
    tensors = tuple(TensorInfo(name, "float", shape, is_weight=True) for name, shape in shapes.items())
    graph = GraphInfo("g", 17, ("x",), ("y",), tensors, nodes)
    flow = NetworkFlow(Partition("net", ("x",), ("y",), (Segment("s", (), graph, "npu", ""),), (), None))
    found = eight_bit_layers(flow)
    assert set(found) == {"a", "b", "y"}
    assert found["b"].startswith("Is depthwise")
    assert found["a"].startswith("Is the network's first or last layer")
