"""Views against numbers worked out by hand on two nodes, and on a whole made-up run."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import NoReturn

import pytest

from deploykit.artifacts.costs import CostReport, NodeCost, Roof, SchemeCost
from deploykit.artifacts.dumps import Comparison, HeatMap, TensorDifference
from deploykit.artifacts.evaluation import ClipSketch, Evaluation, FrameSketch, MetricResult, Shape
from deploykit.artifacts.precision import NodePrecision, PrecisionPlan
from deploykit.artifacts.results import NetworkResults, RunResults
from deploykit.artifacts.schedule import EngineUse, NetworkTiming, Schedule, ScheduledRun
from deploykit.artifacts.sensitivity import LayerSensitivity, SchemeError, Sensitivity
from deploykit.core.bounds import SolveBound
from deploykit.core.codec import decode, encode
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity
from deploykit.reports.text import run_json
from deploykit.reports.views import RunView, run_view
from deploykit.reports.views.dumps import index_in_words
from deploykit.reports.views.precision import sensitivity_view
from deploykit.reports.views.tasks import task_view, verdict

CHIP = ChipProfile(
    "tiny",
    "Tiny chip",
    (
        EngineProfile("npu", "npu", 1, {"w8a8": Quantity(2e9), "float16": Quantity(1e9)}, ("Conv",)),
        EngineProfile("cpu", "cpu", 1, {"float32": Quantity(1e8)}, ("*",)),
    ),
    "cpu",
    DramProfile(Quantity(1e8)),
    OnChipProfile(Quantity(None)),
)
# The convolution: 1e6 operations; 2,000 bytes at w8a8, so 500 operations a byte and max(0.5 ms, 0.02 ms).
CONV = NodeCost(
    "conv", "Conv", "body", "npu", 500_000, 0, 1_000, 600, 400,
    (
        SchemeCost("w8a8", 1_000, 600, 400, 500.0, "compute", 0.5e-3),
        SchemeCost("float16", 2_000, 1_200, 800, 250.0, "compute", 1e-3),
    ),
)  # fmt: skip
# The inverse: no MACs, 20,000 operations on 40,000 bytes, so 0.5 operations a byte and 0.4 ms; float32 only.
INVERSE = NodeCost(
    "inverse", "Inverse", "tail", "cpu", 0, 20_000, 0, 5_000, 5_000,
    (SchemeCost("float32", 0, 20_000, 20_000, 0.5, "memory", 0.4e-3),),
)  # fmt: skip
ROOFS = (Roof("npu", "w8a8", 2e9, 1e8, 20.0, "data sheet"),)
COSTS = CostReport("net", "tiny", (CONV, INVERSE), ROOFS)
PLAN = PrecisionPlan(
    "net",
    (NodePrecision("conv", "float16", "asked by name"), NodePrecision("inverse", "w8a8", "default")),
    (),
)


def difference(
    name: str, *, node: str, sqnr_db: float, max_abs: float = 1.0, passed: bool = True
) -> TensorDifference:
    return TensorDifference(name, node, "body", 0.9, 0.1, sqnr_db, max_abs, 0, 0, passed, (sqnr_db,))


def run(*networks: NetworkResults, schedule: Schedule | None = None) -> RunView:
    return run_view(RunResults("tiny", CHIP, networks, schedule, None, (), "2026-01-05T10:00:00+00:00", ()))


def test_nodes_take_the_planned_scheme_where_their_engine_offers_it() -> None:
    conv, inverse = run(NetworkResults("net", costs=COSTS, plan=PLAN)).networks[0].nodes
    assert (conv.scheme, conv.time_s, conv.traffic_bytes, conv.reason) == (
        "float16",
        1e-3,
        4_000,
        "asked by name",
    )
    assert (inverse.scheme, inverse.reason) == ("float32", "planned as w8a8, which cpu does not offer")
    assert conv.operations == 1_000_000
    assert conv.rate_ops_per_s == pytest.approx(1e9)
    assert conv.time_share == pytest.approx(1.0 / 1.4)


def test_network_figures_are_sums_over_nodes() -> None:
    network = run(NetworkResults("net", costs=COSTS)).networks[0]
    assert network.time_s == pytest.approx(0.9e-3)
    assert network.frames_per_s == pytest.approx(1111.1, rel=1e-4)
    assert (network.macs, network.traffic_bytes, network.weight_bytes) == (500_000, 42_000, 1_000)
    assert dict(network.uniform) == pytest.approx({"w8a8": 0.9e-3, "float16": 1.4e-3})
    body, tail = network.segments
    assert (body.segment, body.schemes, body.macs) == ("body", (("w8a8", 1),), 500_000)
    assert tail.time_share == pytest.approx(4 / 9)


def test_hot_nodes_cumulate_and_operators_sum() -> None:
    network = run(NetworkResults("net", costs=COSTS)).networks[0]
    assert [(hot.index, round(hot.cumulative_share, 3)) for hot in network.hot] == [(0, 0.556), (1, 1.0)]
    assert [(total.op, total.nodes) for total in network.ops] == [("Conv", 1), ("Inverse", 1)]


def test_roofs_bend_at_the_ridge_and_span_all_nodes() -> None:
    (roof,) = run(NetworkResults("net", costs=COSTS)).networks[0].roofs
    assert roof.points == ((0.25, 2.5e7), (20.0, 2e9), (2_000.0, 2e9))


def test_what_the_main_engine_lacks_is_a_fallback() -> None:
    (fallback,) = run(NetworkResults("net", costs=COSTS)).networks[0].fallbacks
    assert (fallback.op, fallback.engine, fallback.nodes) == ("Inverse", "cpu", 1)
    assert fallback.reason == "npu does not run Inverse"
    assert fallback.time_share == pytest.approx(4 / 9)


def test_precision_groups_need_only_the_plan() -> None:
    groups = run(NetworkResults("net", plan=PLAN)).networks[0].precision
    assert [(group.scheme, group.reason, group.nodes) for group in groups] == [
        ("float16", "asked by name", ("conv",)),
        ("w8a8", "default", ("inverse",)),
    ]


def test_an_undefined_measure_with_a_difference_counts_as_worst() -> None:
    tensors = (
        difference("a", node="conv", sqnr_db=30.0),
        difference("b", node="conv", sqnr_db=math.nan, max_abs=0.5, passed=False),
        difference("c", node="conv", sqnr_db=math.inf, max_abs=0.0),
        difference("d", node="conv", sqnr_db=math.nan, max_abs=0.0),
    )
    comparison = Comparison("net", "float", "quantized", tensors, (), (), None, "", ())
    network = run(NetworkResults("net", costs=COSTS, comparison=comparison)).networks[0]
    dumps = network.dumps
    assert dumps is not None
    assert [row.tensor for row in dumps.worst] == ["b", "a"]
    assert (dumps.failed, dumps.equal, dumps.equal_level_db) == (1, 2, 40)
    worst = network.segments[0].worst
    assert worst is not None
    assert (worst.tensor, worst.sqnr_db, worst.failed) == ("b", None, 1)


def test_a_tensor_with_nan_values_is_worse_than_any_other() -> None:
    poisoned = replace(difference("nan", node="conv", sqnr_db=math.nan, max_abs=math.nan), nan_count=3)
    tensors = (difference("a", node="conv", sqnr_db=-5.0), poisoned)
    dumps = run(NetworkResults("net", comparison=Comparison("net", "f", "q", tensors, (), (), None, "", ())))
    found = dumps.networks[0].dumps
    assert found is not None
    assert [row.tensor for row in found.worst] == ["nan", "a"]


@pytest.mark.parametrize(
    ("flat", "shape", "words"),
    [
        (0, (2, 3), "frame 0 [0, 0]"),
        (10, (2, 3), "frame 1 [1, 1]"),
        (5, (), "frame 5 []"),
        (7, None, "flat 7"),
        (7, ("N", 3), "flat 7"),
    ],
)
def test_a_flat_index_is_named_by_frame_and_place(
    flat: int, shape: tuple[int, ...] | None, words: str
) -> None:
    assert index_in_words(flat, shape) == words


def test_heat_maps_are_percents_of_their_peak() -> None:
    picture = HeatMap("t", 2, 2, (0.0, 2.0, 0.5, math.nan))
    comparison = Comparison("net", "f", "q", (), (), (), None, "", (picture,))
    dumps = run(NetworkResults("net", comparison=comparison)).networks[0].dumps
    assert dumps is not None
    assert (dumps.heat_maps[0].percents, dumps.heat_maps[0].peak) == ((0, 100, 25, None), 2.0)


def metric(better: str, low: float, high: float) -> MetricResult:
    return MetricResult("m", "", better, "", 1.0, 0.9, 1.1, 1.0, (low + high) / 2, low, high)  # type: ignore[arg-type]  # values of one kind by name


@pytest.mark.parametrize(
    ("better", "low", "high", "expected"),
    [
        ("higher", -0.3, -0.1, "worse"),
        ("lower", -0.3, -0.1, "better"),
        ("higher", 0.1, 0.3, "better"),
        ("none", 0.1, 0.3, "changed"),
        ("higher", -0.1, 0.3, "unclear"),
        ("higher", 0.0, 0.3, "unclear"),
        ("higher", math.nan, math.nan, "unmeasured"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(
    better: str, low: float, high: float, expected: str
) -> None:
    assert verdict(metric(better, low, high)) == expected


def test_the_rate_is_judged_by_frames() -> None:
    def part(segment: str, frame: int, start_ns: int, end_ns: int) -> ScheduledRun:
        release = frame * 10_000_000
        return ScheduledRun("net", segment, frame, "npu", 0, release, start_ns, end_ns, release + 10_000_000)

    runs = (
        part("body", 0, 0, 4_000_000),
        part("tail", 0, 4_000_000, 6_000_000),
        part("body", 1, 10_000_000, 15_000_000),
        part("tail", 1, 15_000_000, 22_000_000),
    )
    bound = SolveBound("feasible", 22_000_000, 20_000_000, "list")
    timing = NetworkTiming("net", 100.0, 10_000_000, 2, 1, 6_000_000, 12_000_000, 2_000_000)
    engines = (EngineUse("npu", 0, 18_000_000, 0.9),)
    schedule = Schedule("tiny", 20_000_000, runs, engines, bound, False, (), 10_000_000, (timing,))
    view = run(NetworkResults("net"), schedule=schedule)
    rate = view.networks[0].rate
    assert rate is not None
    assert (rate.frames, rate.late_frames) == (2, 1)
    assert rate.frames_per_s == pytest.approx(100.0)
    assert rate.worst_latency_s == pytest.approx(12e-3)
    assert rate.deadline_s == pytest.approx(10e-3)
    assert view.schedule is not None
    assert view.schedule.late == 1
    assert view.schedule.makespan_s == pytest.approx(22e-3)
    assert view.schedule.first_frames_s is None  # 6 of 20 ms can be seen
    slow = run(NetworkResults("net"), schedule=replace(schedule, horizon_ns=1_000_000_000)).schedule
    assert slow is not None
    assert slow.first_frames_s == pytest.approx(6.3e-3)


def test_a_run_that_stopped_early_shows_what_there_is(results: RunResults) -> None:
    (bev, _), name = results.networks, "bev"
    assert run(NetworkResults(name)).networks[0].segments == ()
    cut = run(NetworkResults(name, partition=bev.partition, plan=bev.plan)).networks[0]
    assert [(row.nodes, row.time_s) for row in cut.segments] == [(37, None), (4, None), (2, None), (15, None)]
    assert cut.segments[3].schemes == (("w8a8", 12), ("float16", 3))
    costed = run(NetworkResults(name, costs=bev.costs)).networks[0]
    assert [row.segment for row in costed.segments] == [row.segment for row in cut.segments]


def test_the_json_form_is_plain_json(view: RunView) -> None:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    assert json.loads(run_json(view), parse_constant=refuse)["pipeline"] == "bev"


def test_results_and_views_round_trip(results: RunResults, view: RunView) -> None:
    assert encode(decode(RunResults, encode(results), "results")) == encode(results)
    assert decode(RunView, encode(view), "view") == view


def test_sensitivity_shows_the_layers_that_harm_most_in_the_networks_order(view: RunView) -> None:
    found = view.networks[0].sensitivity
    assert found is not None
    assert (found.unit, found.schemes, found.frames) == ("dB", ("w8a8", "w4a8"), 12)
    stem = dict(found.rows[0].levels)
    assert stem == pytest.approx({"w8a8": 30.0, "w4a8": 20.0})  # 1e-3 and 1e-2 of the outputs' power
    levels = [dict(row.levels)["w4a8"] or 0.0 for row in found.rows]
    assert levels == sorted(levels)
    assert dict(found.whole)["w4a8"] == pytest.approx(13.01, abs=0.01)


def test_restored_layers_are_worst_where_least_is_left() -> None:
    layers = tuple(
        LayerSensitivity(f"n{index}", (f"n{index}",), (SchemeError("w8a8", 1e-3 * (1 + index)),))
        for index in range(50)
    )
    found = sensitivity_view(Sensitivity("n", "restored", "noise", 1, layers, ()))
    assert found is not None
    assert [row.layer for row in found.rows] == [f"n{index}" for index in range(40)]
    assert found.hidden == 10


def test_a_tradeoff_counts_the_layers_of_each_plan(view: RunView) -> None:
    found = view.networks[0].tradeoff
    assert found is not None
    assert found.gap_share == 0
    assert found.chosen.cost == found.chosen.time_s == 1.5e-3
    assert sum(count for _, count in found.chosen.schemes) == len(
        [row for row in view.networks[0].nodes if row.op == "Conv"]
    )
    assert found.front[0].schemes == (("w4a8", sum(count for _, count in found.chosen.schemes)),)


def test_a_sketch_becomes_polygons(view: RunView) -> None:
    assert view.task is not None
    (clip,) = view.task.sketches
    ((before, after),) = clip.frames
    assert (clip.clip, clip.metric, before.caption) == (7, "mAP", "1 of 1 found")
    (outline,) = before.outlines
    assert (outline.points, outline.x) == ("1,2 3,2 3,4", 1.0)
    assert outline.y == pytest.approx(1.68)  # a line above the top
    assert (before.stroke, before.font, after.outlines) == (0.32, 1.6, ())


def test_a_text_stands_above_its_shape_also_at_the_edge() -> None:
    turned = Shape("found", ((30.0, 40.0), (10.0, 41.0), (10.0, 21.0), (30.0, 20.0)), "upside down")
    edge = Shape("found", ((0.0, 1.0), (9.0, 1.0), (9.0, 5.0)), "at the top")
    frame = FrameSketch(100, 200, (turned, edge), "")
    metric = MetricResult("m", "", "higher", "", 1, 1, 1, 1, 0, 0, 0)
    view = task_view(
        Evaluation("t", 1, (metric,), (), (ClipSketch(0, "m", 1, 1, (frame,), (frame,), frame_count=1),))
    )
    assert view is not None
    ((before, _),) = view.sketches[0].frames
    assert [(outline.x, outline.y) for outline in before.outlines] == [(10, 19), (0, 5)]


def test_the_banks_show_what_leaves_and_comes_back_and_what_is_fullest(view: RunView) -> None:
    memory = view.networks[0].memory
    assert memory is not None
    assert memory.banks is not None
    banks = memory.banks
    assert [(box.kind, box.bank) for box in banks.boxes] == [
        ("weight", 0),
        ("activation", 0),
        ("activation", 1),
        ("activation", 1),
        ("prefetch", 1),
    ]
    assert [box.note for box in banks.boxes[1:4]] == [
        "",
        "comes back from DRAM",
        "one of 8 tiles by rows, 2 rows of halo",
    ]
    assert (banks.spilled, banks.tiled, banks.prefetched) == (1, 1, 1)
    peak = memory.peaks[0]
    assert peak.live_bytes == sum(
        box.size_bytes for box in memory.arenas[0].rectangles if box.first_step <= peak.step < box.end_step
    )
