"""What RKNN-Toolkit2 would refuse is named before it is started."""

from __future__ import annotations

from collections.abc import Mapping

from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.model import Segment
from deploykit.artifacts.precision import Scheme
from deploykit.toolchains.plan_files.source import SegmentPlan
from deploykit.toolchains.rknn import check
from deploykit.toolchains.rknn.request import base_dtype


def segment(*operators: str, dtype: str = "float", opset: int = 17) -> Segment:
    """Give a chain x -> t0 -> t1 ..."""
    names = ["x", *(f"t{at}" for at in range(len(operators)))]
    tensors = (TensorInfo("x", dtype, (1, 4)), *(TensorInfo(name, "float", (1, 4)) for name in names[1:]))
    nodes = (
        NodeInfo(f"n{at}", op, "", (names[at],), (names[at + 1],), name=f"node{at}")
        for at, op in enumerate(operators)
    )
    graph = GraphInfo("g", opset, ("x",), (names[-1],), tensors, tuple(nodes))
    return Segment("head", (), graph, "npu", "")


def said(given: Segment, chip: str, schemes: Mapping[str, Scheme]) -> list[str]:
    return [str(fault) for fault in check(given, chip=chip, schemes=schemes)]


def test_an_unknown_chip_is_one_fault_with_the_nearest() -> None:
    (fault,) = said(segment("Relu", "Magic"), "rk3578", {})
    assert "compile.chip: rknn has no chip 'rk3578', did you mean 'rk35" in fault


def test_all_faults_of_a_segment_come_at_once() -> None:
    given = segment("Relu", "Magic", "LayerNormalization", dtype="bool", opset=21)
    faults = said(given, "rk3588", {"n0": "w4a8", "n1": "w8a8", "n2": "w8a8"})
    assert faults == [
        "segment 'head': input 'x' is bool; rknn takes float, int32 and int64: cut behind it",
        "segment 'head': opset 21, the toolkit reads up to 19; `export.opset: 19`",
        "segment 'head', node 'node1' (Magic): rknn has no such operator; "
        "leave it to the CPU (`split.toolchain: rknn`)",
        "segment 'head', node 'node2' (LayerNormalization): the toolkit ends with a KeyError; leave it to the "
        "CPU (`split.toolchain: rknn`), or write it in others (`export.rewrite: [LayerNormalization]`)",
        "segment 'head': rk3588 has no w4a8: node0; rknn offers there: w8a8, float16, w8a16",
    ]


def test_four_bit_weights_are_for_two_chips_and_for_all_integer_layers() -> None:
    four: dict[str, Scheme] = {"n0": "w4a16", "n1": "w8a8"}
    (other,) = said(segment("Relu", "Conv"), "rk3566", {"n0": "w4a16", "n1": "w4a16"})
    assert "rk3566 has no w4a16: node0, node1" in other
    (mixed,) = said(segment("Relu", "Conv"), "rk3576", four)
    assert "w4a16 cannot stand beside w8a8" in mixed
    assert said(segment("Relu", "Conv"), "rk3576", {"n0": "w4a16", "n1": "float16"}) == []


def test_rv1106_has_no_float_network() -> None:
    (fault,) = said(segment("Relu"), "rv1106", {"n0": "float16"})
    assert "rv1106 computes on integers only" in fault


def test_the_base_precision_follows_from_the_plan() -> None:
    given = segment("Conv", "Conv")

    def base(first: Scheme, second: Scheme) -> str | None:
        return base_dtype(SegmentPlan(given, {"n0": first, "n1": second}, ()))

    assert base("float16", "float32") is None
    assert base("w8a8", "float16") == "w8a8"
    assert base("w8a8", "w8a16") == "w8a8"
    assert base("w8a16", "w8a16") == "w16a16i_dfp"
    assert base("w4a16", "float16") == "w4a16"


def test_integer_inputs_are_taken() -> None:
    assert said(segment("Gather", dtype="int64"), "rk3588", {"n0": "float16"}) == []
