"""Compare the simulator with the float and the quantized network, and say which step broke."""

from __future__ import annotations

import dataclasses
import math
import statistics
from typing import TYPE_CHECKING

from deploykit.align.chain import Step, broken_step, with_jumps
from deploykit.artifacts.binaries import BinarySet
from deploykit.artifacts.dumps import Comparison, DumpSet
from deploykit.artifacts.simulation import OutputCosine, Simulation, StepError
from deploykit.core.store import Reader
from deploykit.stages.compare import CompareParams, compare_dumps

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall


GOLDEN_LABEL = "vendor's float"


def check_simulation(
    reference: DumpSet,
    quantized: DumpSet,
    simulated: DumpSet,
    binaries: BinarySet,
    outputs: tuple[str, ...],
    *,
    reader: Reader,
    params: CompareParams,
) -> Simulation:
    """Compare float with the simulator, and each run with the next: float, quantized, simulator.

    Only tensors that the simulator shows count, in the tolerances of the compare stage.

    Raises:
        InputError: other clips or shapes on one side, a tolerance that matches nothing.
    """
    if not binaries.toolchain:
        return Simulation(simulated.network, "", "")
    if not simulated.tensors:
        return Simulation(
            simulated.network, binaries.toolchain, binaries.chip, broke="the toolchain has no simulator"
        )
    shown = {tensor.name for tensor in simulated.tensors}
    runs = [_only(dumps, shown) for dumps in (reference, quantized, simulated)]
    options = dataclasses.replace(params, heat_maps=0)
    first = compare_dumps(runs[0], runs[1], reader=reader, params=options)
    second = compare_dumps(runs[1], runs[2], reader=reader, params=options)
    whole = compare_dumps(runs[0], runs[2], reader=reader, params=params)
    steps = with_jumps([_step(first), _step(second)], params.noise)
    return Simulation(
        network=simulated.network,
        toolchain=binaries.toolchain,
        chip=binaries.chip,
        comparison=whole,
        outputs=tuple(_cosines(outputs, first, whole)),
        steps=tuple(_summary(step) for step in (*steps, *_golden_steps(runs, simulated, reader, options))),
        broke=broken_step(steps),
        left_out=simulated.left_out,
    )


def _golden_steps(
    runs: list[DumpSet], simulated: DumpSet, reader: Reader, options: CompareParams
) -> list[Step]:
    """Compare the vendor's float run with ours and with its simulator; none where there is no such run."""
    if not simulated.golden:
        return []
    golden = dataclasses.replace(simulated, label=GOLDEN_LABEL, tensors=simulated.golden)
    names = {tensor.name for tensor in golden.tensors}
    before, after = _only(runs[0], names), _only(runs[2], names)
    return [
        _step(compare_dumps(before, golden, reader=reader, params=options)),
        _step(compare_dumps(golden, after, reader=reader, params=options)),
    ]


def _only(dumps: DumpSet, names: set[str]) -> DumpSet:
    kept = tuple(tensor for tensor in dumps.tensors if tensor.name in names)
    return dataclasses.replace(dumps, tensors=kept)


def _step(comparison: Comparison) -> Step:
    errors = {
        item.name: math.inf if item.nan_count else item.relative_l2
        for item in comparison.tensors
        if item.nan_count or not math.isnan(item.relative_l2)
    }
    failed = tuple(item.name for item in comparison.tensors if not item.passed and item.name in errors)
    return Step(comparison.reference, comparison.other, errors, failed, comparison.missing)


def _summary(step: Step) -> StepError:
    median = statistics.median(step.errors.values()) if step.errors else math.nan
    return StepError(step.before, step.after, median, step.failed, len(step.errors))


def _cosines(outputs: tuple[str, ...], first: Comparison, whole: Comparison) -> list[OutputCosine]:
    before = {item.name: item.cosine for item in first.tensors}
    after = {item.name: item.cosine for item in whole.tensors}
    return [OutputCosine(name, before[name], after[name]) for name in outputs if name in after]


PARAMS = CompareParams
GIVES = Simulation


def run(call: StageCall) -> Simulation:
    """Run the stage for the pipeline."""
    return check_simulation(
        call.inputs["dump"],
        call.inputs["dump_quantized"],
        call.inputs["simulate"],
        call.inputs["compile"],
        call.inputs["split"].outputs,
        reader=call.workspace,
        params=call.params,
    )
