"""The analyze stage: a partition in, a cost report out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import onnx.parser
import pytest

from deploykit.analysis.graph_work import CustomCost
from deploykit.analysis.summary import summarise
from deploykit.artifacts.costs import CostReport
from deploykit.artifacts.model import Partition, Segment
from deploykit.core.codec import decode, encode
from deploykit.core.errors import InputError
from deploykit.core.graph.model import model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.profile import DramProfile, Quantity, load_profile
from deploykit.stages.analyze import AnalyzeParams, analyze_costs

NPU = "g (float[1,8,16,16] x, float[8,8,3,3] w) => (y) { c = Conv<pads=[1,1,1,1]>(x, w) y = Relu(c) }"
CPU = "g (float[1,8,16,16] y, float[1,16,16,2] p) => (z) { z = GridSample(y, p) }"
CUSTOM = "g (float[1,8,16,16] z) => (float[1,8,16,16] o) { o = my.Splat(z) }"


def segment(name: str, engine: str, text: str) -> Segment:
    header = '<ir_version: 10, opset_import: ["" : 21, "my" : 1]>\n'
    model = normalise(model_from_proto(onnx.parser.parse_model(header + text), name))
    infer_shapes(model)
    return Segment(name, (), summarise(model), engine, "")


def partition(*segments: Segment) -> Partition:
    return Partition("net", ("x",), ("o",), segments, (), None)


def analyze(*segments: Segment, **params: Any) -> CostReport:
    profile, _ = load_profile("rk3588")
    return analyze_costs(partition(*segments), profile=profile, params=AnalyzeParams(**params))


def test_each_segment_is_costed_on_its_engine() -> None:
    report = analyze(segment("backbone", "npu", NPU), segment("sample", "cpu", CPU))
    assert [(node.op, node.segment, node.engine) for node in report.nodes] == [
        ("Conv", "backbone", "npu"),
        ("Relu", "backbone", "npu"),
        ("GridSample", "sample", "cpu"),
    ]
    assert [total.segment for total in report.segment_totals({})] == ["backbone", "sample"]
    assert {roof.engine for roof in report.roofs} == {"npu", "cpu"}
    assert decode(CostReport, encode(report), "report") == report


def test_a_node_that_its_engine_lacks_is_costed_on_the_fallback_and_said() -> None:
    report = analyze(segment("all", "npu", CPU))
    assert report.nodes[0].engine == "cpu"
    assert "z: npu does not run GridSample; costed on cpu" in report.notices


def test_both_branches_of_an_if_are_shown() -> None:
    text = """g (bool c, float[4,5] x, float[5,6] w) => (float[4,6] y) {
        y = If(c) <
            then_branch = t () => (float[4,6] a) { a = MatMul(x, w) },
            else_branch = e () => (float[4,6] b) { m = MatMul(x, w)  b = Relu(m) }
        >
    }"""
    (notice,) = [each for each in analyze(segment("all", "npu", text)).notices if "branch" in each]
    assert notice == (
        "y: else_branch is counted, with 120 MACs, 24 vector operations, 122 elements moved;"
        " then_branch has 120 MACs, 0 vector operations, 74 elements moved"
    )


def test_the_same_input_gives_the_same_report() -> None:
    assert analyze(segment("a", "npu", NPU)) == analyze(segment("a", "npu", NPU))


def test_faults_of_all_segments_and_params_come_at_once() -> None:
    with pytest.raises(InputError) as caught:
        analyze(
            segment("a", "npu", NPU.replace("[1,8,16,16] x", "[N,8,16,16] x")),
            segment("b", "cpu", CUSTOM),
            custom_costs={"my:Splot": CustomCost(macs=1)},
            trip_counts={"c": 3},
        )
    said = [str(fault) for fault in caught.value.faults]
    assert any(
        "analyze.custom_costs.my:Splot: no such operator or node, did you mean 'my:Splat'?" in s for s in said
    )
    assert any(s.startswith("analyze.trip_counts.c: no such Loop or SequenceMap") for s in said)
    assert any(s.startswith("c: Conv needs the size of 'x', 'c'") for s in said)
    assert any(s.startswith("o: no cost is known for operator my:Splat") for s in said)


def test_a_custom_operator_is_costed_as_the_user_says() -> None:
    report = analyze(segment("b", "cpu", CUSTOM), custom_costs={"my:Splat": CustomCost(vector_ops=1000)})
    assert report.nodes[0].vector_ops == 1000


def test_a_blank_of_a_chip_without_a_class_is_named() -> None:
    chip = replace(load_profile("template")[0], chip_class="")
    with pytest.raises(InputError, match=r"template.yaml: dram.bandwidth_bytes_per_s: is blank"):
        analyze_costs(partition(segment("a", "npu", NPU)), profile=chip, params=AnalyzeParams())


def test_a_blank_gives_the_interval_that_the_class_allows() -> None:
    """Bandwidth 3.2 to 17.1 GB/s: a network bound by memory takes sqrt(17.1 / 3.2) = 2.31 times as long."""
    rk3588 = replace(load_profile("rk3588")[0], calibration=())
    chip = replace(rk3588, dram=DramProfile(Quantity()), chip_class="camera")
    report = analyze_costs(partition(segment("a", "npu", NPU)), profile=chip, params=AnalyzeParams())
    assert {node.at("w8a8").bound for node in report.nodes} == {"memory"}
    assert report.interval is not None
    assert report.interval.high_factor == pytest.approx((17.1 / 3.2) ** 0.5)
    assert report.interval.low_factor == pytest.approx((3.2 / 17.1) ** 0.5)
    (reason,) = report.interval.reasons  # the CPU's peak is known
    assert reason.startswith("rk3588.yaml: dram.bandwidth_bytes_per_s is blank; 3.2e+09 to 1.71e+10 counts")
    assert any(notice.startswith("the network may take 0.43 to 2.31 times") for notice in report.notices)
    assert decode(CostReport, encode(report), "report") == report


def test_a_blank_peak_of_an_engine_that_runs_nothing_does_not_widen_the_time() -> None:
    rk3588 = replace(load_profile("rk3588")[0], calibration=())
    cpu = replace(rk3588.engines[1], peak_ops_per_s={"float32": Quantity()})
    chip = replace(rk3588, engines=(rk3588.engines[0], cpu))
    params = AnalyzeParams()
    on_npu, on_cpu = (
        analyze_costs(partition(segment("a", engine, text)), profile=chip, params=params).interval
        for engine, text in (("npu", NPU), ("cpu", CPU))
    )
    assert on_npu is None
    assert on_cpu is not None
    assert "engines.cpu.peak_ops_per_s.float32 is blank" in on_cpu.reasons[0]
