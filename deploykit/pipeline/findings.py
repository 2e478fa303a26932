"""What a finished run has to tell against the pipeline: exit code 1, each as a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from deploykit.artifacts.results import NetworkResults, RunResults


def findings(results: RunResults) -> tuple[str, ...]:
    """Give every negative finding of a run, in the order of its steps."""
    return tuple(_findings(results))


def _findings(results: RunResults) -> Iterator[str]:
    for network in results.networks:
        simulation = network.simulation
        if simulation is not None and any(s.failed and s.after == "simulator" for s in simulation.steps[:2]):
            yield f"{network.network}: the simulator differs: {simulation.broke}"
        yield from _replay_findings(network)
        for item in network.memory.shortfalls if network.memory else ():
            yield f"{network.network}: {item}"
        comparison = network.comparison
        if comparison is None:
            continue
        failed = [tensor for tensor in comparison.tensors if not tensor.passed]
        if failed:
            worst = min(failed, key=lambda tensor: tensor.sqnr_db)
            yield (
                f"{network.network}: {len(failed)} of {len(comparison.tensors)} tensors miss their tolerance "
                f"(worst {worst.name}, {worst.sqnr_db:.1f} dB)"
            )
        for what, names in (("missing from", comparison.missing), ("only in", comparison.extra)):
            if names:
                yield f"{network.network}: {len(names)} tensors {what} the quantized dump: {_few(names)}"
    schedule = results.schedule
    if schedule is not None and not schedule.feasible:
        late = sorted({run.network for run in schedule.runs if run.late})
        if late:
            yield f"schedule: {', '.join(late)} misses its deadline on {results.chip.name}"
        for notice in schedule.notices if not late else ():
            yield f"schedule: {notice}"


def _replay_findings(network: NetworkResults) -> Iterator[str]:
    for run in network.replay.runs if network.replay else ():
        if run.fault_count or not run.bit_equal:
            first = run.faults[0] if run.faults else "an output differs from the run without a plan"
            yield f"{network.network}: the memory plan is wrong, faults {run.fault_count}, the first: {first}"


def _few(names: tuple[str, ...], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
