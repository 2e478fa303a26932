"""All that one run of a pipeline gave, side by side: what a report reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deploykit.artifacts.advice import Advice, Headroom
from deploykit.artifacts.binaries import BinarySet
from deploykit.artifacts.costs import CostReport
from deploykit.artifacts.dumps import Comparison
from deploykit.artifacts.evaluation import Evaluation
from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.memory_blocks import MemoryBlocks
from deploykit.artifacts.memory_replay import MemoryReplay
from deploykit.artifacts.model import Model, Partition
from deploykit.artifacts.precision import PrecisionPlan
from deploykit.artifacts.schedule import Schedule
from deploykit.artifacts.sensitivity import Sensitivity
from deploykit.artifacts.simulation import Simulation
from deploykit.core.profile import ChipProfile


@dataclass(frozen=True)
class StepLine:
    """One step of a run: where its artifact came from, how long it took, and why it ran or did not."""

    name: str
    state: Literal["ran", "cached", "skipped"]
    seconds: float
    why: str


@dataclass(frozen=True)
class NetworkResults:
    """One network's artifacts; None where a step was not run. `partition` is the float one.

    `advice` and `headrooms` are filled for the page alone.
    """

    network: str
    model: Model | None = None
    partition: Partition | None = None
    costs: CostReport | None = None
    sensitivity: Sensitivity | None = None
    plan: PrecisionPlan | None = None
    quantized: Partition | None = None
    memory: MemoryPlan | None = None
    replay: MemoryReplay | None = None
    comparison: Comparison | None = None
    binaries: BinarySet | None = None
    simulation: Simulation | None = None
    advice: tuple[Advice, ...] = ()
    headrooms: tuple[Headroom, ...] = ()


@dataclass(frozen=True)
class RunResults:
    """A whole run. `started` is an ISO 8601 time, `versions` pairs a program with its version.

    `data_notice` is what has to be said wherever a figure depends on the data ("" for real data).
    """

    pipeline: str
    chip: ChipProfile
    networks: tuple[NetworkResults, ...]
    schedule: Schedule | None
    evaluation: Evaluation | None
    steps: tuple[StepLine, ...]
    started: str
    versions: tuple[tuple[str, str], ...]
    data_notice: str = ""
    blocks: MemoryBlocks | None = None
