"""What a page or a table shows: plain values with their units in the names, ready to be formatted.

Whatever may be undefined is None, never NaN or infinite, so that every program can read the JSON form. An
SQNR of None with `equal` set means that both runs gave the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from deploykit.artifacts.advice import Advice, Headroom
from deploykit.artifacts.costs import Bound
from deploykit.artifacts.results import StepLine

Verdict: TypeAlias = Literal["better", "worse", "changed", "unclear", "unmeasured"]


@dataclass(frozen=True)
class WorstDump:
    """The tensor of a segment that differs most between the float and the quantized run."""

    tensor: str
    sqnr_db: float | None
    equal: bool
    max_abs: float | None
    failed: int
    """How many of the segment's tensors did not pass."""


@dataclass(frozen=True)
class SegmentRow:
    """One segment: sums over its nodes. Costs are None where `analyze` was not run."""

    network: str
    segment: str
    engine: str
    reason: str
    nodes: int
    schemes: tuple[tuple[str, int], ...]
    """Precision schemes with their node counts, most frequent first."""
    macs: int | None
    time_s: float | None
    time_share: float | None
    """Part of the whole network's predicted time, 0 to 1."""
    traffic_bytes: int | None
    weight_bytes: int | None
    worst: WorstDump | None


@dataclass(frozen=True)
class NodeRow:
    """One node at the scheme that it runs at. `rate_ops_per_s` is operations over predicted time."""

    node: str
    op: str
    segment: str
    engine: str
    scheme: str
    reason: str
    macs: int
    operations: int
    traffic_bytes: int
    intensity: float | None
    bound: Bound
    time_s: float
    time_share: float
    rate_ops_per_s: float | None
    sqnr_db: float | None
    equal: bool


@dataclass(frozen=True)
class RoofLine:
    """A roof as three points (intensity, operations per second): left end, ridge, right end."""

    engine: str
    scheme: str
    source: str
    count: int
    """How many engines of this kind the chip has; the roof is that of one."""
    peak_ops_per_s: float
    bandwidth_bytes_per_s: float
    points: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class HotNode:
    """A place in the ranking by time: `index` into the nodes, and the share of it and all before."""

    index: int
    cumulative_share: float


@dataclass(frozen=True)
class OpTotal:
    """All nodes of one operator together."""

    op: str
    nodes: int
    macs: int
    time_s: float
    time_share: float


@dataclass(frozen=True)
class PrecisionGroup:
    """Nodes that have the same scheme for the same reason."""

    scheme: str
    reason: str
    nodes: tuple[str, ...]
    macs_share: float | None
    time_share: float | None


@dataclass(frozen=True)
class Fallback:
    """Nodes of one operator that do not run on the chip's main engine."""

    op: str
    engine: str
    nodes: int
    time_s: float
    time_share: float
    reason: str


@dataclass(frozen=True)
class RateVerdict:
    """How a network keeps its frame rate when scheduled. `worst_latency_s` counts from a frame's release,
    `alone_s` is a frame's latency on an empty chip."""

    frames: int
    late_frames: int
    frames_per_s: float
    alone_s: float
    worst_latency_s: float
    deadline_s: float


@dataclass(frozen=True)
class Rectangle:
    """A buffer: half-open steps [first_step, end_step), half-open bytes from `offset_bytes`."""

    label: str
    first_step: int
    end_step: int
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True)
class ArenaView:
    """One arena beside what it would cost unplanned and what no packing can beat."""

    owner: str
    placement: str
    size_bytes: int
    lower_bound_bytes: int
    unplanned_bytes: int
    saved_share: float
    status: str
    method: str
    rectangles: tuple[Rectangle, ...]


@dataclass(frozen=True)
class StateRow:
    """A state pair's double buffer."""

    output: str
    input: str
    size_bytes: int


@dataclass(frozen=True)
class ReplayRow:
    """A run inside the planned memory: what was compared, and whether all of it held."""

    frames: int
    reads: int
    outputs: int
    holds: bool
    fault_count: int
    first_fault: str


@dataclass(frozen=True)
class PeakView:
    """The step at which the most bytes are alive, and the largest blocks alive then."""

    place: str
    step: int
    live_bytes: int
    largest: tuple[Rectangle, ...]


@dataclass(frozen=True)
class BankBox:
    """What lies in a bank over some steps; `note` says what is special about it, or ""."""

    kind: str
    bank: int
    rectangle: Rectangle
    note: str


@dataclass(frozen=True)
class WhatIfRow:
    """The traffic with another number of banks."""

    bank_count: int
    traffic_bytes: int
    lower_bound_bytes: int


@dataclass(frozen=True)
class BanksView:
    """The chip's own memory, and the off-chip bytes a frame with and without it."""

    bank_count: int
    bank_bytes: int
    steps: int
    boxes: tuple[BankBox, ...]
    all_dram_bytes: int
    greedy_bytes: int
    traffic_bytes: int
    lower_bound_bytes: int
    gap_share: float
    status: str
    method: str
    all_dram_s: float | None
    planned_s: float | None
    resident_weight_bytes: int
    streamed_weight_bytes: int
    spilled: int
    tiled: int
    prefetched: int
    dram_bytes: int
    what_if: tuple[WhatIfRow, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class MemoryView:
    """All memory of one network. `activation_bytes` is the sum of the arenas."""

    arenas: tuple[ArenaView, ...]
    state: tuple[StateRow, ...]
    activation_bytes: int
    state_bytes: int
    weight_bytes: int
    on_chip_bytes: int | None
    unsized: tuple[str, ...]
    """Tensors of unknown size: they are in no arena."""
    replays: tuple[ReplayRow, ...] = ()
    peaks: tuple[PeakView, ...] = ()
    banks: BanksView | None = None


@dataclass(frozen=True)
class TensorRow:
    """One compared tensor at its place in execution order. `max_abs_place` is its index in words."""

    position: int
    tensor: str
    node: str
    segment: str
    cosine: float | None
    relative_l2: float | None
    sqnr_db: float | None
    equal: bool
    max_abs: float | None
    max_abs_place: str
    nan_count: int
    passed: bool
    reason: str
    """Which tolerance a tensor that did not pass exceeds."""


@dataclass(frozen=True)
class FrameCurve:
    """One tensor's SQNR frame by frame; None where it is undefined or the frames are equal."""

    tensor: str
    sqnr_db: tuple[float | None, ...]


@dataclass(frozen=True)
class HeatMapView:
    """A picture of |difference|, row by row, as whole percents of `peak`; None where undefined."""

    tensor: str
    rows: int
    columns: int
    percents: tuple[int | None, ...]
    peak: float | None


@dataclass(frozen=True)
class DumpsView:
    """Float against quantized, tensor by tensor. `equal_level_db` is where the plot draws equal tensors."""

    reference: str
    other: str
    tensors: tuple[TensorRow, ...]
    worst: tuple[TensorRow, ...]
    failed: int
    equal: int
    equal_level_db: float
    first_divergence: str | None
    divergence_reason: str
    frames: tuple[FrameCurve, ...]
    heat_maps: tuple[HeatMapView, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]


@dataclass(frozen=True)
class EqualityRow:
    """A proof that a step left the network's results alone."""

    network: str
    subject: str
    runs: int
    bit_equal: bool
    max_abs: float | None
    where: str


@dataclass(frozen=True)
class LevelRow:
    """One layer's level at each scheme; None where it makes no error or was not measured."""

    layer: str
    levels: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class SensitivityView:
    """Layers that harm the outputs most. `unit` "dB" is a signal-to-noise ratio: low is bad; other units are
    errors. `hidden` layers harm less than those shown; `whole` has all layers at a scheme."""

    unit: str
    explanation: str
    frames: int
    schemes: tuple[str, ...]
    rows: tuple[LevelRow, ...]
    hidden: int
    whole: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class PlanPoint:
    """One plan: `cost` is what is minimised (seconds or bytes), `schemes` count the layers at each."""

    cost: float
    time_s: float
    weight_bytes: int
    error: float
    schemes: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TradeoffView:
    """Plans that none beats in both cost and error, and the chosen one; `gap_share` is the distance of its
    objective from the bound."""

    minimise: str
    status: str
    gap_share: float | None
    by_size: bool
    front: tuple[PlanPoint, ...]
    chosen: PlanPoint
    whole: bool
    measured_error: float | None


@dataclass(frozen=True)
class CheckedLayer:
    """A layer as a vendor's compiler has it, with the nodes of ours that it computes.

    `nodes` are their ids, `ops` their operators. `ratio` is our time over theirs; `reason` says which term
    differs where one is more than twice the other.
    """

    tensor: str
    nodes: tuple[str, ...]
    ops: tuple[str, ...]
    theirs_ops: tuple[str, ...]
    ours_s: float
    theirs_s: float | None
    theirs_cycles: int | None
    ours_bytes: int
    theirs_bytes: int | None
    ratio: float | None
    reason: str


@dataclass(frozen=True)
class CheckedSegment:
    """One compiled segment beside our figures of it. `rectangles` are the compiler's buffers by memory;
    `uncompared` are nodes of ours with a time that no layer of theirs names."""

    segment: str
    layers: tuple[CheckedLayer, ...]
    ours_s: float
    theirs_s: float | None
    theirs_cycles: int | None
    ours_bytes: int
    theirs_bytes: int | None
    ours_weight_bytes: int
    theirs_weight_bytes: int | None
    ours_arena_bytes: int | None
    theirs_arena_bytes: int | None
    theirs_sram_bytes: int | None
    fallback: tuple[str, ...]
    uncompared: tuple[str, ...]
    rectangles: tuple[tuple[str, tuple[Rectangle, ...]], ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class CrossCheckView:
    """Our predictions beside a vendor's compiler's. `correlation` is Spearman's over the `compared` layers of
    all segments; `host` are the segments that were not compiled, with the reason."""

    toolchain: str
    version: str
    chip: str
    predicted_for: str
    segments: tuple[CheckedSegment, ...]
    correlation: float | None
    compared: int
    ours_s: float
    theirs_s: float | None
    host: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class NetworkView:
    """One network's part of the report; what was not run is None or empty."""

    network: str
    nodes_count: int | None
    macs: int | None
    time_s: float | None
    frames_per_s: float | None
    traffic_bytes: int | None
    weight_bytes: int | None
    uniform: tuple[tuple[str, float], ...]
    """Predicted time if every node ran at one scheme of the main engine (where its own engine offers it)."""
    rate: RateVerdict | None
    fallbacks: tuple[Fallback, ...]
    segments: tuple[SegmentRow, ...]
    nodes: tuple[NodeRow, ...]
    workless_nodes: int
    """Nodes without any arithmetic: they have no place in the roofline picture."""
    roofs: tuple[RoofLine, ...]
    hot: tuple[HotNode, ...]
    ops: tuple[OpTotal, ...]
    precision: tuple[PrecisionGroup, ...]
    memory: MemoryView | None
    dumps: DumpsView | None
    low_s: float | None = None
    high_s: float | None = None
    """Where the time may lie, for the reasons in `interval_reasons`; None where nothing is uncertain."""
    spec_s: float | None = None
    """The time by the data sheet's roofline, where `time_s` comes from measured networks."""
    interval_reasons: tuple[str, ...] = ()
    simulation: tuple[str, ...] = ()
    """What the vendor's compiler and simulator said."""
    advice: tuple[Advice, ...] = ()
    headrooms: tuple[Headroom, ...] = ()
    sensitivity: SensitivityView | None = None
    tradeoff: TradeoffView | None = None
    cross_check: CrossCheckView | None = None


@dataclass(frozen=True)
class MetricRow:
    """One task metric. The `..._at` fields are places on a line from 0 to 100; 50 is "no difference"."""

    name: str
    unit: str
    better: Literal["higher", "lower", "none"]
    doc: str
    float_value: float | None
    float_low: float | None
    float_high: float | None
    quantized_value: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    verdict: Verdict
    low_at: float | None
    value_at: float | None
    high_at: float | None


@dataclass(frozen=True)
class Outline:
    """A shape of a sketch, ready for `<polygon points=...>`; `text` stands at (x, y), its first corner."""

    role: str
    points: str
    text: str
    x: float
    y: float


@dataclass(frozen=True)
class SketchedFrame:
    """One frame as one variant sees it; `stroke` is a line's width in the sketch's units."""

    width: float
    height: float
    stroke: float
    outlines: tuple[Outline, ...]
    caption: str


@dataclass(frozen=True)
class SketchedClip:
    """A clip before and after quantization, frame by frame."""

    clip: int
    metric: str
    unit: str
    float_value: float
    quantized_value: float
    frames: tuple[tuple[SketchedFrame, SketchedFrame], ...]


@dataclass(frozen=True)
class TaskView:
    """The task's metrics over `clips` unseen clips."""

    task: str
    clips: int
    metrics: tuple[MetricRow, ...]
    sketches: tuple[SketchedClip, ...]


@dataclass(frozen=True)
class Lane:
    """One engine of the schedule."""

    engine: str
    busy_s: float
    utilisation: float


@dataclass(frozen=True)
class Bar:
    """One run of a segment, in `lane`."""

    lane: int
    network: str
    segment: str
    frame: int
    start_s: float
    end_s: float
    deadline_s: float
    late: bool


@dataclass(frozen=True)
class Deadline:
    """When a frame of a network has to be done."""

    network: str
    frame: int
    time_s: float


@dataclass(frozen=True)
class ScheduleView:
    """The schedule; `late` counts runs that end after their deadline. `first_frames_s` is a window around the
    first frame of every network, where it is too short to be seen in the whole horizon."""

    feasible: bool
    horizon_s: float
    first_frames_s: float | None
    makespan_s: float
    lower_bound_s: float
    status: str
    method: str
    late: int
    lanes: tuple[Lane, ...]
    bars: tuple[Bar, ...]
    deadlines: tuple[Deadline, ...]


@dataclass(frozen=True)
class Notice:
    """A sentence that a step wants the user to read."""

    source: str
    text: str


@dataclass(frozen=True)
class ChipNumber:
    """A number of the chip's profile with where it comes from; None where nobody says."""

    what: str
    value: float | None
    unit: str
    status: str
    source: str


@dataclass(frozen=True)
class RunView:
    """Everything that a run's report shows."""

    pipeline: str
    chip: str
    chip_title: str
    chip_numbers: tuple[ChipNumber, ...]
    chip_notes: tuple[str, ...]
    started: str
    networks: tuple[NetworkView, ...]
    task: TaskView | None
    schedule: ScheduleView | None
    equalities: tuple[EqualityRow, ...]
    notices: tuple[Notice, ...]
    steps: tuple[StepLine, ...]
    step_seconds: float
    versions: tuple[tuple[str, str], ...]
