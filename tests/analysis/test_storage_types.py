"""Which type an activation is stored in, between nodes of different schemes."""

from __future__ import annotations

import pytest

from deploykit.analysis.flow import NetworkFlow
from deploykit.analysis.storage_types import storage_types
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.model import Partition, Segment
from deploykit.artifacts.precision import NodePrecision, PrecisionPlan, Scheme


def chain(*operators: str) -> NetworkFlow:
    """Give t0 -> operator -> t1 -> operator -> t2 ..."""
    nodes = tuple(
        NodeInfo(f"t{at + 1}", op, op, (f"t{at}",), (f"t{at + 1}",)) for at, op in enumerate(operators)
    )
    names = [f"t{at}" for at in range(len(operators) + 1)]
    tensors = tuple(TensorInfo(name, "float", (1, 4)) for name in names)
    graph = GraphInfo("whole", 17, ("t0",), (names[-1],), tensors, nodes)
    segment = Segment("whole", (), graph, "npu", "test")
    return NetworkFlow(Partition("net", ("t0",), (names[-1],), (segment,), (), None))


@pytest.mark.parametrize(
    ("first", "second", "types"),
    [
        ("w8a8", "w8a16", ["int8", "int8", "int16"]),
        ("w4a16", "w4a8", ["int16", "int16", "int8"]),
        ("float16", "w8a16", ["float16", "int16", "int16"]),
        ("w4a8", "float32", ["int8", "int8", "float"]),
    ],
)
def test_the_writer_decides_and_where_it_is_float_the_readers(
    first: Scheme, second: Scheme, types: list[str]
) -> None:
    flow = chain("Relu", "Sigmoid")
    found = storage_types(flow, {"t1": first, "t2": second})
    assert [tensor.dtype for tensor in found] == types


def test_four_bit_weights_have_blocks_unless_the_plan_says_otherwise() -> None:
    nodes = (
        NodePrecision("a", "w4a8", ""),
        NodePrecision("b", "w8a8", ""),
        NodePrecision("c", "w4a16", "", "channel"),
        NodePrecision("d", "w4a16", "", 128),
    )
    plan = PrecisionPlan("net", nodes, ())
    assert plan.granularity_of() == {"a": 32, "b": "channel", "c": "channel", "d": 128}
