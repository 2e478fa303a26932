"""The areas of work on one network, each a function from what a run has left to its state."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from deploykit.artifacts.contract import InputContract
from deploykit.artifacts.evaluation import Evaluation
from deploykit.artifacts.model import Model, Partition
from deploykit.artifacts.results import NetworkResults
from deploykit.artifacts.schedule import Schedule
from deploykit.artifacts.work import WorkItem, WorkState
from deploykit.core.profile import ChipProfile

NO_RECORD = "no step of the pipeline records it"
WORST = 3
LOW_SQNR_DB = 20.0
"""A tensor below this lost a tenth of its size to rounding."""


@dataclass(frozen=True)
class NetworkState:
    """All that is known of one network: its results, its contracts, and what the pipeline shares."""

    results: NetworkResults
    contracts: tuple[InputContract, ...]
    chip: ChipProfile
    task_kind: str
    data_notice: str
    schedule: Schedule | None
    evaluation: Evaluation | None


Area = Callable[[NetworkState], WorkItem]


def export_and_split(state: NetworkState) -> WorkItem:
    """Read the model, cut it for the chip, prove both equal."""
    model, partition = state.results.model, state.results.partition
    if model is None or partition is None:
        return WorkItem("export and split", "to do", "not run", next="deploykit split")
    engines: dict[str, int] = {}
    for segment in partition.segments:
        engines[segment.engine] = engines.get(segment.engine, 0) + 1
    told = ", ".join(f"{count} on {engine}" for engine, count in engines.items())
    risks = (*_model_risks(model), *_partition_risks(partition, state.chip))
    return WorkItem("export and split", "done", f"{_count(partition.segments, 'segment')}: {told}", risks)


def _model_risks(model: Model) -> Iterator[str]:
    if model.equality is None:
        yield "not proved equal to its source"
    tensors = model.graph.tensor
    free = dict.fromkeys(
        dim for name in model.graph.inputs for dim in tensors[name].shape or () if isinstance(dim, str)
    )
    if free:
        yield f"dynamic shapes: {', '.join(free)}"
    bounded = [tensor.name for tensor in model.graph.tensors if tensor.upper_bound is not None]
    if bounded:
        yield f"the data decides the size of {_some(bounded)}"
    if model.state:
        yield f"state: {_some([pair.output for pair in model.state])} is carried from frame to frame"


def _partition_risks(partition: Partition, chip: ChipProfile) -> Iterator[str]:
    main = chip.engines[0]
    for segment in partition.segments:
        if segment.engine not in (main.name, main.kind):
            yield f"{segment.name}: {segment.reason}"


def handoff(state: NetworkState) -> WorkItem:
    """Hand the segments and their contracts to whoever compiles and integrates them."""
    partition = state.results.quantized or state.results.partition
    count = _count(partition.segments if partition else (), "segment")
    return _open("handoff", f"{count} to hand over; {NO_RECORD}", "agree on files, contracts and clips")


def compile_segments(state: NetworkState) -> WorkItem:
    """Compile each segment with the chip's toolchain."""
    partition = state.results.partition
    main = state.chip.engines[0]
    meant = [s for s in partition.segments if s.engine in (main.name, main.kind)] if partition else []
    return _open(
        "compile",
        f"{_count(meant, 'segment')} for {main.name}; {NO_RECORD}",
        "compile each segment with the vendor's toolchain",
    )


def input_alignment(state: NetworkState) -> WorkItem:
    """Every input that data feeds has a contract."""
    model = state.results.model
    if model is None:
        return _open("input alignment", "not exported", "deploykit export")
    fed = [name for name in model.graph.inputs if name not in {pair.input for pair in model.state}]
    known = {contract.name for contract in state.contracts}
    missing = [name for name in fed if name not in known]
    evidence = f"{len(fed) - len(missing)} of {len(fed)} inputs have a contract"
    if missing:
        return _open("input alignment", evidence, f"give io: for {_some(missing)}")
    return WorkItem("input alignment", "done", evidence)


def output_alignment(state: NetworkState) -> WorkItem:
    """Every output of the quantized network was compared with the float one's."""
    comparison, model = state.results.comparison, state.results.model
    if comparison is None or model is None:
        return _open("output alignment", "not compared", "deploykit compare")
    outputs = set(model.graph.outputs)
    seen = [tensor for tensor in comparison.tensors if tensor.name in outputs]
    failed = [tensor for tensor in seen if not tensor.passed]
    evidence = f"{len(seen) - len(failed)} of {len(outputs)} outputs within their tolerance"
    worse = tuple(f"{tensor.name}: {tensor.reason}" for tensor in failed)
    if worse or len(seen) < len(outputs):
        found: WorkState = "failed" if worse else "to do"
        return WorkItem(
            "output alignment", found, evidence, worse, "keep what feeds them in float, or calibrate anew"
        )
    return WorkItem("output alignment", "done", evidence)


def simulator_alignment(state: NetworkState) -> WorkItem:
    """The toolchain's simulator gives what the quantized network gives here."""
    return _open("simulator alignment", NO_RECORD, "compare the simulator's dumps with the quantized ones")


def clip_alignment(state: NetworkState) -> WorkItem:
    """Whole clips give the task's figures, float and quantized."""
    if state.evaluation is None:
        return _open("clip alignment", "not evaluated", "deploykit evaluate")
    worse = tuple(
        f"{metric.name} is {abs(metric.difference):.3g} worse than in float"
        for metric in state.evaluation.metrics
        if (metric.better == "higher" and metric.difference_high < 0)
        or (metric.better == "lower" and metric.difference_low > 0)
    )
    evidence = f"{_count(state.evaluation.metrics, 'metric')} on {state.evaluation.clips} clips"
    if state.task_kind == "random":
        return _open("clip alignment", f"{evidence} of random data", "name a task with real data")
    return WorkItem("clip alignment", "done", evidence, worse)


def quantization(state: NetworkState) -> WorkItem:
    """The network is quantized, and no tensor misses its tolerance."""
    if state.results.quantized is None:
        return _open("quantization", "not quantized", "deploykit quantize")
    comparison = state.results.comparison
    if comparison is None:
        return _open("quantization", "quantized, not compared", "deploykit compare")
    finite = [t for t in comparison.tensors if math.isfinite(t.sqnr_db)]
    low = sorted((t for t in finite if t.sqnr_db < LOW_SQNR_DB), key=lambda t: t.sqnr_db)
    risks = tuple(f"sensitive: {t.name}, {t.sqnr_db:.1f} dB" for t in low[:WORST])
    failed = [tensor for tensor in comparison.tensors if not tensor.passed]
    evidence = (
        f"{len(comparison.tensors) - len(failed)} of {_count(comparison.tensors, 'tensor')} within tolerance"
    )
    if failed or comparison.missing:
        first = comparison.first_divergence or failed[0].name if failed else comparison.missing[0]
        return WorkItem("quantization", "failed", evidence, risks, f"begin at {first}")
    return WorkItem("quantization", "done", evidence, risks)


def memory(state: NetworkState) -> WorkItem:
    """Every tensor has a place."""
    plan = state.results.memory
    if plan is None:
        return _open("memory", "not planned", "deploykit memory")
    total = sum(arena.size_bytes for arena in plan.arenas) + plan.state_bytes
    evidence = f"{total / 1e6:.2f} MB of activations and state, {plan.weight_bytes / 1e6:.2f} MB of weights"
    if plan.unsized:
        return _open("memory", f"no size is known for {_some(plan.unsized)}", "bind the free sizes")
    return WorkItem("memory", "done", evidence)


def scheduling(state: NetworkState) -> WorkItem:
    """All networks hold their rates together."""
    if state.schedule is None:
        return _open("scheduling", "not scheduled", "deploykit schedule")
    timing = [item for item in state.schedule.networks if item.network == state.results.network]
    evidence = ", ".join(
        f"{item.frames - item.late_frames} of {item.frames} frames in time" for item in timing
    )
    if not state.schedule.feasible:
        advice = "lower a rate, or make a network faster (deploykit assess --advice)"
        return WorkItem("scheduling", "failed", evidence, state.schedule.notices, advice)
    return WorkItem("scheduling", "done", evidence)


def processing(state: NetworkState) -> WorkItem:
    """Pre- and post-processing run with real data."""
    area = "pre- and post-processing"
    if state.task_kind == "random":
        return _open(
            area, "the task is random data", "name a task that reads real frames and decodes outputs"
        )
    if state.evaluation is None:
        return _open(area, f"the task {state.task_kind!r} was not run", "deploykit evaluate")
    evidence = f"the task {state.task_kind!r} runs on {state.evaluation.clips} clips"
    return WorkItem(area, "done", evidence, (state.data_notice,) if state.data_notice else ())


def tuning(state: NetworkState) -> WorkItem:
    """The board's times are those that were predicted, or better."""
    costs, plan = state.results.costs, state.results.plan
    schemes = plan.scheme_of() if plan else {}
    time_s = sum(total.time_s for total in costs.segment_totals(schemes)) if costs else 0.0
    known = f"predicted {1e3 * time_s:.3g} ms; {NO_RECORD}" if costs else "not costed"
    return _open("tuning", known, "measure on the board beside the prediction")


def sdk(state: NetworkState) -> WorkItem:
    """The application links the segments."""
    return _open("SDK", NO_RECORD, "load, run and free the segments from the application")


AREAS: tuple[tuple[Area, tuple[str, ...]], ...] = (
    (export_and_split, ("export", "split")),
    (handoff, ()),
    (compile_segments, ()),
    (input_alignment, ()),
    (output_alignment, ()),
    (simulator_alignment, ()),
    (clip_alignment, ("evaluate",)),
    (quantization, ("sensitivity", "precision", "quantize", "dump", "dump_quantized", "compare")),
    (memory, ("memory",)),
    (scheduling, ("schedule",)),
    (processing, ()),
    (tuning, ("analyze",)),
    (sdk, ()),
)
"""Every area with the steps whose failure is its own, in the order in which they are usually done."""


def _open(area: str, evidence: str, then: str) -> WorkItem:
    return WorkItem(area, "to do", evidence, next=then)


def _count(items: Collection[object], noun: str) -> str:
    count = len(items)
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _some(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names[:WORST]) + (f" and {len(names) - WORST} more" if len(names) > WORST else "")
