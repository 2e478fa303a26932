"""A made-up but realistic run: a BEV detector of four segments with hostile names, and a small network."""

from __future__ import annotations

import math
import random

import pytest

from deploykit.artifacts.banks import BankItem, BankPlan, BankStay, BankTiles, Prefetch, WhatIf
from deploykit.artifacts.costs import CostReport, NodeCost, Roof, SchemeCost
from deploykit.artifacts.dumps import Comparison, HeatMap, TensorDifference
from deploykit.artifacts.evaluation import ClipSketch, Evaluation, FrameSketch, MetricResult, Shape
from deploykit.artifacts.graph import GraphInfo, NodeInfo, TensorInfo
from deploykit.artifacts.memory import Arena, Buffer, MemoryPlan, StateBuffers
from deploykit.artifacts.model import Equality, Model, Partition, Segment, StatePair
from deploykit.artifacts.precision import NodePrecision, PrecisionPlan, Scheme, Tradeoff, TradeoffPoint
from deploykit.artifacts.results import NetworkResults, RunResults, StepLine
from deploykit.artifacts.schedule import EngineUse, NetworkTiming, Schedule, ScheduledRun
from deploykit.artifacts.sensitivity import LayerSensitivity, SchemeError, Sensitivity
from deploykit.core.bounds import SolveBound
from deploykit.core.profile import ChipProfile, DramProfile, EngineProfile, OnChipProfile, Quantity
from deploykit.reports.views import RunView, run_view

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"
JSON_NAME = '{"a": "b\\u003c", [red]not markup[/red]}'
BANDWIDTH = 25e9
PEAKS = {"npu": {"w8a8": 2e12, "float16": 1e12}, "cpu": {"float32": 60e9}}

# name, operator, segment, multiply-accumulates, elements read, weights, elements written
Spec = tuple[str, str, str, int, int, int, int]


def bev_nodes() -> list[Spec]:
    """Some sixty nodes whose work shrinks with depth, as in a real backbone."""
    specs: list[Spec] = [("/backbone/stem/Conv", "Conv", "backbone", 106_168_320, 442_368, 432, 2_359_296)]
    for stage, (pixels, channels) in enumerate(((36_864, 32), (9_216, 64), (9_216, 64), (2_304, 96))):
        for block in range(3):
            at, area = f"/backbone/stages.{stage}/{block}", pixels * channels
            specs += [
                (f"{at}/dw/Conv", "Conv", "backbone", area * 9, area, channels * 9, area),
                (f"{at}/act/HardSwish", "HardSwish", "backbone", 0, area, 0, area),
                (f"{at}/pw/Conv", "Conv", "backbone", area * channels, area, channels**2, area),
            ]
    specs += [
        (HOSTILE, "Conv", "view", 2_304 * 96 * 24, 2_304 * 96, 96 * 24, 2_304 * 24),
        ("/view/depth/Softmax", "Softmax", "view", 0, 2_304 * 24, 0, 2_304 * 24),
        ("/view/Reshape", "Reshape", "view", 0, 0, 0, 0),
        ("/view/lift/Mul", "Mul", "view", 0, 2_304 * 24 * 8, 0, 2_304 * 24 * 8),
        ("/view/splat/ScatterND", "ScatterND", "scatter", 0, 2_304 * 24 * 8, 0, 64 * 64 * 32),
        ("/fusion/warp/GridSample", "GridSample", "scatter", 0, 64 * 64 * 32, 0, 64 * 64 * 32),
    ]
    for block in range(4):
        at, area = f"/fusion/{block}", 64 * 64 * 64
        specs += [
            (f"{at}/Conv", "Conv", "head", area * 64 * 9, area, 64 * 64 * 9, area),
            (f"{at}/Relu", "Relu", "head", 0, area, 0, area),
            (f"{at}/Add", "Add", "head", 0, 2 * area, 0, area),
        ]
    specs += [
        (JSON_NAME, "Conv", "head", 64 * 64 * 64 * 10 * 9, 64 * 64 * 64, 64 * 90, 64 * 64 * 10),
        ("/head/size/Exp", "Exp", "head", 0, 64 * 64 * 3, 0, 64 * 64 * 3),
        ("/head/heatmap/Sigmoid", "Sigmoid", "head", 0, 64 * 64 * 2, 0, 64 * 64 * 2),
    ]
    return specs


def rapid_chip() -> ChipProfile:
    """A three-core NPU with a CPU behind it."""
    peaks = {
        engine: {scheme: Quantity(peak, "made up") for scheme, peak in found.items()}
        for engine, found in PEAKS.items()
    }
    npu_ops = ("Conv", "HardSwish", "Relu", "Add", "Mul", "Softmax", "Reshape", "Exp", "Sigmoid")
    engines = (
        EngineProfile("npu", "npu", 3, peaks["npu"], npu_ops, Quantity(12e-6, "made up")),
        EngineProfile("cpu", "cpu", 1, peaks["cpu"], ("*",), Quantity(3e-6, "made up")),
    )
    on_chip = OnChipProfile(Quantity(1_048_576, "made up"), 16)
    return ChipProfile(
        "rapid3", "Rapid3 (6 TOPS, made up)", engines, "cpu", DramProfile(Quantity(BANDWIDTH)), on_chip
    )


def _scheme_cost(spec: Spec, engine: str, scheme: str) -> SchemeCost:
    _, _, _, macs, read, weights, written = spec
    width = {"w8a8": 1, "float16": 2, "float32": 4}[scheme]
    traffic = (read + weights + written) * width
    operations = 2 * macs + (written if macs == 0 else 0)
    compute_s, memory_s = operations / PEAKS[engine][scheme], traffic / BANDWIDTH
    overhead_s = 12e-6 if engine == "npu" else 3e-6
    bound = (
        "overhead"
        if max(compute_s, memory_s) < overhead_s
        else "compute"
        if compute_s > memory_s
        else "memory"
    )
    return SchemeCost(
        scheme,
        weights * width,
        read * width,
        written * width,
        operations / traffic if traffic else 0.0,
        bound,  # type: ignore[arg-type]  # a conditional expression of literals is a str to mypy
        max(compute_s, memory_s) + overhead_s,
    )


def _costs(network: str, specs: list[Spec]) -> CostReport:
    nodes = []
    for spec in specs:
        name, op, segment, macs, read, weights, written = spec
        engine = "cpu" if op in ("ScatterND", "GridSample") else "npu"
        schemes = tuple(_scheme_cost(spec, engine, scheme) for scheme in PEAKS[engine])
        vector = written if macs == 0 else 0
        nodes.append(NodeCost(name, op, segment, engine, macs, vector, weights, read, written, schemes))
    roofs = tuple(
        Roof(engine, scheme, peak, BANDWIDTH, peak / BANDWIDTH, "made up")
        for engine, found in PEAKS.items()
        for scheme, peak in found.items()
    )
    return CostReport(network, "rapid3", tuple(nodes), roofs, ("1 node has no cost rule: counted as a copy",))


def _partition(network: str, specs: list[Spec], equality: Equality) -> Partition:
    reasons = {"scatter": ("cpu", "npu does not run ScatterND"), "view": ("npu", "cut at the view transform")}
    segments = []
    for name in dict.fromkeys(spec[2] for spec in specs):
        own = [spec for spec in specs if spec[2] == name]
        nodes = tuple(NodeInfo(spec[0], spec[1], "", ("x",), (f"{spec[0]}_output",)) for spec in own)
        tensors = tuple(TensorInfo(f"{spec[0]}_output", "float", (1, 8, 16, 16)) for spec in own)
        graph = GraphInfo(name, 17, ("x",), (tensors[-1].name,), tensors, nodes)
        segments.append(Segment(name, (), graph, *reasons.get(name, ("npu", "the chip's main engine"))))
    state = (StatePair("bev_memory", "prev_bev"),)
    return Partition(network, ("x",), ("y",), tuple(segments), state, equality)


def _plan(network: str, specs: list[Spec]) -> PrecisionPlan:
    def scheme(spec: Spec) -> tuple[Scheme, str]:
        if spec[1] in ("Exp", "Sigmoid") or spec[0] == JSON_NAME:
            return "float16", "the YAML keeps `/head/*` in float: metric-unit regressions"
        if spec[1] in ("ScatterND", "GridSample"):
            return "float32", "runs on the cpu, which has no integer scheme"
        return "w8a8", "default of the pipeline"

    nodes = tuple(NodePrecision(spec[0], *scheme(spec)) for spec in specs)
    return PrecisionPlan(network, nodes, (), tradeoff=_tradeoff(specs))


def _tradeoff(specs: list[Spec]) -> Tradeoff:
    """Sixteen plans between all 4-bit and all 8-bit weights: slower and better, the eighth chosen."""
    layers = tuple(spec[0] for spec in specs if spec[1] == "Conv")
    front = tuple(
        TradeoffPoint(
            1e-3 * (1 + step / 16),
            500_000 + 30_000 * step,
            0.02 * 0.75**step,
            tuple("w8a8" if index * 16 < step * len(layers) else "w4a8" for index in range(len(layers))),
        )
        for step in range(17)
    )
    return Tradeoff("time", "optimal", 1.5e-3, 1.5e-3, layers, front[8], front, True, 0.0035)


def _sensitivity(network: str, specs: list[Spec]) -> Sensitivity:
    """Every convolution: 8-bit weights harm by a thousandth of its place, 4-bit weights ten times as much."""
    layers = tuple(
        LayerSensitivity(
            spec[0],
            (spec[0],),
            (SchemeError("w8a8", 1e-3 / (1 + place)), SchemeError("w4a8", 1e-2 / (1 + place))),
        )
        for place, spec in enumerate(spec for spec in specs if spec[1] == "Conv")
    )
    whole = (SchemeError("w8a8", 4e-3), SchemeError("w4a8", 5e-2))
    return Sensitivity(network, "measured", "noise", 12, layers, whole, ("boxes",))


def _comparison(network: str, specs: list[Spec]) -> Comparison:
    chance = random.Random(7)
    tensors, sqnr = [], 46.0
    for index, spec in enumerate(specs):
        sqnr -= chance.uniform(-0.7, 1.2) + (6 if spec[0] == HOSTILE else 0)
        frames = tuple(sqnr + chance.gauss(0, 1.2) for _ in range(12))
        noise = 10 ** (-sqnr / 20)
        difference = TensorDifference(
            f"{spec[0]}_output", spec[0], spec[2], 1 - noise**2 / 2, noise, sqnr, 6 * noise, 2048 * 3 + 77, 0,
            sqnr > 15, frames,
        )  # fmt: skip
        if index in (0, 1):
            difference = TensorDifference(
                f"{spec[0]}_output", spec[0], spec[2], 1.0, 0.0, math.inf, 0.0, 0, 0, True, (math.inf,) * 12
            )
        if spec[1] == "ScatterND":
            difference = TensorDifference(
                f"{spec[0]}_output",
                spec[0],
                spec[2],
                math.nan,
                math.nan,
                math.nan,
                0.0,
                0,
                0,
                True,
                (math.nan,) * 12,
            )
        tensors.append(difference)
    maps = tuple(
        _heat_map(f"{spec[0]}_output", chance)
        for spec in specs
        if spec[1] == "Conv" and spec[2] != "backbone"
    )
    reason = "SQNR falls by 6.4 dB against its inputs: one channel holds 31 x the range of the others"
    return Comparison(
        network,
        "float",
        "quantized",
        tuple(tensors),
        ("bev_memory_output",),
        (),
        f"{HOSTILE}_output",
        reason,
        maps,
    )


def _heat_map(name: str, chance: random.Random) -> HeatMap:
    row, column, width = chance.uniform(4, 20), chance.uniform(8, 40), chance.uniform(3, 9)
    values = [
        math.exp(-((r - row) ** 2 + (c - column) ** 2) / width**2) + 0.15 * chance.random()
        for r in range(24)
        for c in range(48)
    ]
    values[0] = math.nan
    return HeatMap(name, 24, 48, tuple(values))


def _memory(network: str, segments: list[str]) -> MemoryPlan:
    chance = random.Random(11)
    arenas = []
    for owner in (*segments, "shared"):
        buffers, top = [], 0
        for step in range(14 if owner == "backbone" else 6):
            size = chance.choice((65_536, 131_072, 262_144, 589_824)) // (4 if owner == "shared" else 1)
            offset = 0 if step % 2 else 589_824
            end = step + (4 if step % 5 == 0 and step else 2)
            offset = 589_824 + 589_824 if step % 5 == 0 and step else offset
            buffers.append(
                Buffer(
                    (f"/{owner}/{step}_output", f"/{owner}/{step}_alias")[: 1 + step % 2],
                    size,
                    offset,
                    step,
                    end,
                )
            )
            top = max(top, offset + size)
        bound = SolveBound("optimal", top, top, "best fit") if owner != "view" else SolveBound(
            "feasible", top, int(top * 0.93), "best fit"
        )  # fmt: skip
        arenas.append(
            Arena(owner, top, 64, tuple(buffers), bound, top + sum(buffer.size_bytes for buffer in buffers))
        )
    placement = tuple((arena.owner, "sram" if arena.size_bytes < 1_048_576 else "dram") for arena in arenas)
    state = (StateBuffers("bev_memory", "prev_bev", 131_072, (0, 131_072)),)
    return MemoryPlan(
        network,
        "rapid3",
        tuple(arenas),
        state,
        262_144,
        412_000,
        placement,  # type: ignore[arg-type]  # values of one kind by name
        banks=_banks(),
    )


def _banks() -> BankPlan:
    """Two banks over 20 steps: a weight that stays, a tensor that leaves and comes back, tiles."""
    stays = (
        BankStay(0, 0, 65_536, 0, 6),
        BankStay(1, 131_072, 65_536, 12, 15, refilled=True),
    )
    items = (
        BankItem("weight", ("w<b>",), (BankStay(0, 458_752, 65_536, 0, 20),), 65_536, 65_536),
        BankItem("activation", ("/backbone/2_output_0", "/backbone/2_alias"), stays, 131_072, 262_144),
        BankItem(
            "activation",
            ("/neck/7_output_0",),
            (BankStay(1, 0, 131_072, 6, 8),),
            900_000,
            1_200_000,
            BankTiles("rows", 8, 2, 300_000),
        ),
    )
    return BankPlan(
        bank_count=2,
        bank_bytes=524_288,
        alignment_bytes=64,
        steps=20,
        segment_steps=(("backbone", 0), ("head", 14)),
        items=items,
        bound=SolveBound("feasible", 4_000_000, 3_900_000, "swept through time", 1000),
        all_dram_bytes=8_000_000,
        greedy_bytes=5_000_000,
        resident_weight_bytes=65_536,
        streamed_weight_bytes=346_464,
        dram_bytes=1_500_000,
        dram=(),
        what_if=(WhatIf(1, 5_200_000, 5_000_000), WhatIf(3, 3_100_000, 3_100_000)),
        prefetches=(Prefetch("v", BankStay(1, 262_144, 32_768, 9, 11, refilled=True), 1e-5),),
        all_dram_s=4e-3,
        planned_s=3e-3,
        notices=("rapid3.yaml: on_chip.bank_count is blank: on-chip memory counts as one bank",),
    )


def _schedule(results: dict[str, list[tuple[str, str, int]]]) -> Schedule:
    runs, free = [], {("npu", 0): 0, ("npu", 1): 0, ("npu", 2): 0, ("cpu", 0): 0}
    for frame in range(4):
        for lane, (network, segments) in enumerate(results.items()):
            release = frame * 5_000_000
            start = release
            for segment, engine, length in segments:
                key = (engine, lane if engine == "npu" else 0)
                start = max(start, free[key])
                slow = length * 20 if frame == 2 and segment == "scatter" else length
                runs.append(
                    ScheduledRun(
                        network, segment, frame, *key, release, start, start + slow, release + 5_000_000
                    )
                )
                start += slow
                free[key] = start
    busy = {
        key: sum(run.end_ns - run.start_ns for run in runs if (run.engine, run.engine_index) == key)
        for key in free
    }
    engines = tuple(EngineUse(*key, spent, spent / 20_000_000) for key, spent in busy.items())
    end = max(run.end_ns for run in runs)
    bound = SolveBound("feasible", end, 18_900_000, "list scheduling")
    timings = tuple(_timing(network, runs, segments) for network, segments in results.items())
    notices = ("one engine is idle all the time",)
    return Schedule("rapid3", 20_000_000, tuple(runs), engines, bound, False, notices, 20_000_000, timings)


def _timing(network: str, runs: list[ScheduledRun], segments: list[tuple[str, str, int]]) -> NetworkTiming:
    own = [run for run in runs if run.network == network]
    late = {run.frame for run in own if run.late}
    worst = max(run.end_ns - run.release_ns for run in own)
    alone = sum(length for _, _, length in segments)
    return NetworkTiming(network, 200.0, 5_000_000, 4, len(late), alone, worst, max(worst - 5_000_000, 0))


def _evaluation() -> Evaluation:
    undefined = (math.nan,) * 7
    metrics = (
        MetricResult(
            "mAP",
            "",
            "higher",
            "mean AP over centre distances",
            0.768,
            0.741,
            0.792,
            0.752,
            -0.016,
            -0.024,
            -0.008,
        ),
        MetricResult(
            "recall", "", "higher", "objects found", 0.884, 0.861, 0.902, 0.889, 0.005, -0.004, 0.013
        ),
        MetricResult(
            "centre error",
            "m",
            "lower",
            "of matched objects",
            0.445,
            0.421,
            0.472,
            0.461,
            0.016,
            0.006,
            0.027,
        ),
        MetricResult(
            "velocity error", "m/s", "lower", "of matched objects", 1.59, 1.42, 1.77, 1.53, -0.06, -0.1, -0.01
        ),
        MetricResult("hidden recall", "", "higher", "objects seen earlier and hidden now", *undefined),
    )
    shape = Shape("found", ((1.0, 2.0), (3.0, 2.0), (3.0, 4.0)), "car <0.9>")
    before, after = FrameSketch(64, 64, (shape,), "1 of 1 found"), FrameSketch(64, 64, (), "0 of 1 found")
    sketch = ClipSketch(7, metrics[0].name, 0.9, 0.5, (before,), (after,), frame_count=40)
    return Evaluation("bev", 60, metrics, ("2 clips have no hidden object",), (sketch,))


def _network(network: str, specs: list[Spec], seed_equal: bool) -> NetworkResults:
    graph = GraphInfo(network, 17, ("x",), ("y",), (), ())
    model = Model(
        network, (), graph, (), Equality(4, True, 0.0, ""), ("3 Constant nodes became initializers",)
    )
    cut = Equality(
        4, seed_equal, 0.0 if seed_equal else 3.8e-6, "" if seed_equal else "heatmap [0, 1, 22, 5]"
    )
    segments = list(dict.fromkeys(spec[2] for spec in specs))
    return NetworkResults(
        network=network,
        model=model,
        partition=_partition(network, specs, cut),
        costs=_costs(network, specs),
        plan=_plan(network, specs),
        sensitivity=_sensitivity(network, specs),
        quantized=_partition(network, specs, Equality(2, True, 0.0, "")),
        memory=_memory(network, segments),
        comparison=_comparison(network, specs),
    )


@pytest.fixture(scope="session")
def results() -> RunResults:
    """Give the whole made-up run."""
    return made_up_run()


@pytest.fixture(scope="session")
def view(results: RunResults) -> RunView:
    """Give its view."""
    return run_view(results)


def made_up_run() -> RunResults:
    """Build the run."""
    lanes: list[Spec] = [
        (f"/lanes/{index}/Conv", "Conv", "lanes", 20_000_000, 90_000, 9_000, 90_000) for index in range(6)
    ]
    body = [("backbone", "npu", 2_430_000), ("view", "npu", 99_000)]
    body += [("scatter", "cpu", 140_000), ("head", "npu", 1_040_000)]
    times = {"bev": body, "lanes": [("lanes", "npu", 192_000)]}
    steps = [("bev.export", "cached", 0.02), ("bev.split", "cached", 0.01), ("bev.analyze", "cached", 0.0)]
    steps += [("bev.precision", "ran", 0.04), ("bev.quantize", "ran", 21.4), ("bev.memory", "ran", 0.3)]
    steps += [
        ("bev.dump", "cached", 0.0),
        ("bev.compare", "ran", 3.2),
        ("schedule", "ran", 0.1),
        ("evaluate", "ran", 48.0),
    ]
    why = {"ran": "params.exceptions changed: () -> ('/head/*',)", "cached": "nothing changed"}
    return RunResults(
        pipeline="bev",
        chip=rapid_chip(),
        networks=(_network("bev", bev_nodes(), False), _network("lanes", lanes, True)),
        schedule=_schedule(times),
        evaluation=_evaluation(),
        steps=tuple(StepLine(name, state, seconds, why[state]) for name, state, seconds in steps),  # type: ignore[arg-type]  # values of one kind by name
        started="2026-01-05T10:22:31+00:00",
        versions=(
            ("deploykit", "0.1.0"),
            ("onnx", "1.20.0"),
            ("onnxruntime", "1.23.2"),
            ("python", "3.11.7"),
        ),
    )
