"""One network's part of the report, and the whole report."""

from __future__ import annotations

from dataclasses import dataclass

from deploykit.artifacts.advice import Advice, Headroom
from deploykit.artifacts.results import StepLine
from deploykit.reports.views.nouns.costs import Fallback, HotNode, NodeRow, OpTotal, RoofLine
from deploykit.reports.views.nouns.cross_check import CrossCheckView
from deploykit.reports.views.nouns.dumps import DumpsView
from deploykit.reports.views.nouns.memory import MemoryView
from deploykit.reports.views.nouns.precision import SensitivityView, TradeoffView
from deploykit.reports.views.nouns.schedule import RateVerdict, ScheduleView
from deploykit.reports.views.nouns.segments import PrecisionGroup, SegmentRow
from deploykit.reports.views.nouns.tasks import TaskView


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
