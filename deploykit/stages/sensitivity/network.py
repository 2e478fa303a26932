"""From a float partition and data to the errors of all layers at all schemes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy
from onnx import ModelProto

from deploykit.analysis.float_rules import FLOAT_RULES
from deploykit.analysis.flow import NetworkFlow, all_nodes
from deploykit.analysis.integer_operators import INTEGER_OPERATORS
from deploykit.analysis.layer_units import Unit, layer_units
from deploykit.analysis.storage_types import plan_of
from deploykit.artifacts.graph import reads
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import ACTIVATION_BITS, NodePrecision, PrecisionPlan, Scheme, is_integer
from deploykit.artifacts.sensitivity import LayerSensitivity, SchemeError, Sensitivity
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.workspace import Workspace
from deploykit.stages.quantize import quantize
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.sensitivity.graphs import Joined, joined
from deploykit.stages.sensitivity.measure import Errors, LayerFiles, Task, load_metric, run_task
from deploykit.stages.sensitivity.params import SensitivityParams
from deploykit.stages.sensitivity.workers import run_all
from deploykit.tasks.protocol import Clip
from deploykit.toolchains.reference import ReferenceNetwork, zeros

LAYERS_A_TASK = 6
"""Layers that share a run of the base network a frame; few enough for all processes to have work."""

SHOWN = 3
"""Layers that are named for each scheme."""

WHOLE = ""
"""The name under which the whole network is measured."""


def network_sensitivity(
    partition: Partition,
    clips: Iterable[Clip],
    *,
    params: SensitivityParams,
    workspace: Workspace,
    user_folder: Path,
) -> Sensitivity:
    """See `deploykit.stages.sensitivity`."""
    flow = NetworkFlow(partition)
    outputs = _outputs(partition, params)
    if params.metric:
        load_metric(params.metric, user_folder)  # before anything that takes long
    units = layer_units(flow, integer_nodes(flow))
    kept = clips if isinstance(clips, Sequence) else tuple(clips)
    floats = joined(partition, workspace, flow.activations)
    networks = {}
    for scheme in workspace.track(params.schemes, "quantizing whole networks", len(params.schemes)):
        plan = uniform_plan(flow, units, scheme)
        # layers are exchanged one by one, so that every tensor has to hold the float network's values
        own_values = QuantizeParams(equalisation=False)
        changed = quantize(partition, plan, kept, params=own_values, workspace=workspace)
        networks[scheme] = joined(changed, workspace, flow.activations)
    with workspace.scratch() as folder:
        frames = write_frames(partition, kept, folder, workspace, most=params.frames)
        files = _Files(folder, frames, outputs, params, user_folder)
        tasks = [files.whole(networks.items())]
        if params.mode == "restored":
            for scheme, network in networks.items():
                tasks += files.tasks(flow, units, network, {scheme: floats})
        else:
            tasks += files.tasks(flow, units, floats, networks)
        errors: Errors = {}
        results = run_all(run_task, tasks, workers=workspace.workers, address=params.executor)
        for found in workspace.track(results, "measuring layers", len(tasks)):
            errors |= found
    layers = tuple(_layer(unit, errors, params.schemes) for unit in units)
    whole = tuple(SchemeError(scheme, errors[WHOLE, scheme]) for scheme in params.schemes)
    notices = tuple(_said(params, layers, whole))
    assert params.mode != "auto"  # `measure_sensitivity` measures nothing then
    return Sensitivity(
        partition.network,
        params.mode,
        params.measure,
        len(frames),
        layers,
        whole,
        outputs,
        notices,
        params.metric,
    )


def _said(
    params: SensitivityParams, layers: Sequence[LayerSensitivity], whole: Sequence[SchemeError]
) -> Iterator[str]:
    """Say what the whole network errs by at each scheme, and which layers have most of it."""
    last = params.mode != "restored"
    for item in whole:
        found = [(layer.error_at(item.scheme) or 0.0, layer.layer) for layer in layers]
        worst = ", ".join(f"{name} {error:.2g}" for error, name in sorted(found, reverse=last)[:SHOWN])
        which = "most by" if last else "least without"
        yield f"error at {item.scheme}: {item.error:.2g} as a whole, {which} {worst}"


def network_error(
    partition: Partition,
    plan: PrecisionPlan,
    clips: Sequence[Clip],
    *,
    sensitivity: Sensitivity,
    workspace: Workspace,
    user_folder: Path,
) -> float:
    """See `deploykit.stages.sensitivity.plan_error`."""
    changed = quantize(partition, plan, clips, params=QuantizeParams(), workspace=workspace)
    network = joined(changed, workspace, NetworkFlow(partition).activations)
    params = SensitivityParams(
        measure=sensitivity.measure, frames=sensitivity.frames, metric=sensitivity.metric
    )
    with workspace.scratch() as folder:
        frames = write_frames(partition, clips, folder, workspace, most=params.frames)
        task = _Files(folder, frames, sensitivity.outputs, params, user_folder).whole([("plan", network)])
        return run_task(task)[WHOLE, "plan"]


def integer_nodes(flow: NetworkFlow) -> list[str]:
    """Give the nodes that no rule keeps in float, in execution order."""
    ruled = {node for rule in FLOAT_RULES for node in rule(flow).nodes}
    return [node.id for node in flow.nodes if node.id not in ruled]


def uniform_plan(flow: NetworkFlow, units: Sequence[Unit], scheme: Scheme) -> PrecisionPlan:
    """Plan all units at one scheme, everything else in float."""
    integer = {node for unit in units for node in unit.nodes}
    nodes = [node for segment in flow.partition.segments for node in all_nodes(segment.graph)]
    return plan_of(
        flow,
        tuple(
            NodePrecision(node.id, scheme if node.id in integer else "float32", "Measured as a whole.")
            for node in nodes
        ),
    )


def _outputs(partition: Partition, params: SensitivityParams) -> tuple[str, ...]:
    """Give the outputs that are compared; the faults of the options come at once."""
    real = [name for name in partition.outputs if partition.tensor[name].dtype == "float"]
    faults = [
        Fault("sensitivity.outputs", f"{name!r} is no real output{did_you_mean(name, real)}")
        for name in params.outputs
        if name not in real
    ]
    faults += [
        Fault("sensitivity.schemes", f"{scheme} is computed in float32 here: there is nothing to measure")
        for scheme in params.schemes
        if not is_integer(scheme)
    ]
    if (params.measure == "metric") != bool(params.metric):
        what = f"measure is {params.measure!r} and metric is {params.metric!r}"
        faults.append(
            Fault("sensitivity.metric", what, "a function needs `measure: metric`, and that a function")
        )
    if params.measure == "metric" and params.mode == "estimated":
        what = "an estimate scales noise, and not a metric of yours"
        faults.append(Fault("sensitivity.mode", what, "take mode measured"))
    if params.frames < 1:
        faults.append(Fault("sensitivity.frames", f"{params.frames} were asked for", "give at least 1"))
    if not real:
        faults.append(Fault(partition.network, "no output is a float tensor: there is nothing to compare"))
    if faults:
        raise InputError(*faults)
    return params.outputs or tuple(real)


def write_frames(
    partition: Partition, clips: Iterable[Clip], folder: Path, workspace: Workspace, *, most: int
) -> list[tuple[Path, Path]]:
    """Run the float network; write each frame's inputs, state among them, and its outputs.

    Raises:
        InputError: no frames.
    """
    network = ReferenceNetwork(partition, workspace)
    written: list[tuple[Path, Path]] = []
    for clip in clips:
        network.reset()
        state = {pair.input: zeros(partition.tensor[pair.input]) for pair in partition.state}
        for frame in clip.frames[: most - len(written)]:
            outputs = network(frame)
            paths = folder / f"frame{len(written)}.npz", folder / f"outputs{len(written)}.npz"
            for path, arrays in zip(paths, ({**frame, **state}, outputs), strict=True):
                numpy.savez(path, **arrays)  # type: ignore[arg-type]  # its stub takes no names of arrays
            written.append(paths)
            state = {pair.input: outputs[pair.output] for pair in partition.state}
    if not written:
        where = f"sensitivity of {partition.network}"
        raise input_error(where, "the data has no frames", "give at least one clip with one frame")
    return written


class _Files:
    """Writes the models of tasks."""

    def __init__(
        self,
        folder: Path,
        frames: Sequence[tuple[Path, Path]],
        outputs: tuple[str, ...],
        params: SensitivityParams,
        user_folder: Path,
    ) -> None:
        self._folder = folder
        self._user_folder = user_folder
        self._frames = tuple(frame for frame, _ in frames)
        self._references = tuple(reference for _, reference in frames)
        self._outputs = outputs
        self._params = params
        self._written = 0

    def whole(self, networks: Iterable[tuple[str, Joined]]) -> Task:
        """Give the task that runs whole networks."""
        listed = list(networks)
        pieces = {name: network.whole(self._outputs) for name, network in listed}
        variants = tuple((name, self._write(model)) for name, (model, _) in pieces.items())
        inputs = tuple(fed for _, fed in pieces.values())
        files = LayerFiles(WHOLE, self._outputs, variants, inputs, None, (), ())
        return self._task(listed[0][1], (files,), estimate=False)

    def tasks(
        self, flow: NetworkFlow, units: Sequence[Unit], base: Joined, forms: Mapping[Scheme, Joined]
    ) -> Iterator[Task]:
        """Give the tasks that run each unit in other forms, inside `base`."""
        for at in range(0, len(units), LAYERS_A_TASK):
            found = tuple(self._layer(flow, unit, base, forms) for unit in units[at : at + LAYERS_A_TASK])
            yield self._task(base, found, estimate=self._params.mode == "estimated")

    def _layer(
        self, flow: NetworkFlow, unit: Unit, base: Joined, forms: Mapping[Scheme, Joined]
    ) -> LayerFiles:
        made = [name for node in flow.nodes if node.id in unit.nodes for name in node.outputs if name]
        results = tuple(name for name in made if _leaves(flow, name, unit))
        sources = set(flow.activations).difference(made)
        tried = forms if _has_weights(flow, unit) else _of_each_width(forms)
        pieces = {scheme: network.piece(sources, results) for scheme, network in tried.items()}
        variants = tuple((scheme, self._write(model)) for scheme, (model, _) in pieces.items())
        after, after_inputs = base.after(results, self._outputs)
        names = tuple(value.name for value in after.graph.output)
        path = self._write(after) if names else None
        inputs = tuple(fed for _, fed in pieces.values())
        return LayerFiles(unit.name, results, variants, inputs, path, after_inputs, names)

    def _task(self, base: Joined, layers: tuple[LayerFiles, ...], *, estimate: bool) -> Task:
        made = {name for node in base.nodes for name in node.output}
        wanted = dict.fromkeys(
            name
            for files in layers
            for name in (*(one for fed in files.inputs for one in fed), *files.after_inputs, *files.results)
        )
        taps = tuple(name for name in (*dict.fromkeys((*wanted, *self._outputs)),) if name in made)
        model, inputs = base.whole(taps)
        return Task(
            self._write(model),
            inputs,
            taps,
            layers,
            self._frames,
            self._references,
            self._outputs,
            self._params.measure,
            estimate,
            self._params.metric,
            self._user_folder,
        )

    def _write(self, model: ModelProto) -> Path:
        path = self._folder / f"piece{self._written}.onnx"
        self._written += 1
        path.write_bytes(model.SerializeToString())
        return path


def _leaves(flow: NetworkFlow, name: str, unit: Unit) -> bool:
    """Say whether a tensor is read outside its unit, or by nobody but the network's user."""
    readers = {node.id for node in flow.readers.get(name, ())}
    return not readers.issubset(unit.nodes) or name in flow.partition.outputs


def _has_weights(flow: NetworkFlow, unit: Unit) -> bool:
    return any(
        node.id in unit.nodes
        and (INTEGER_OPERATORS[node.op].weight is not None or node.op in ("MatMul", "PRelu"))
        and any(map(flow.is_weight, reads(node)))
        for node in flow.nodes
    )


def _of_each_width(forms: Mapping[Scheme, Joined]) -> dict[Scheme, Joined]:
    """Keep one scheme for each width of activations: without weights the others are the same."""
    return {scheme: forms[scheme] for scheme in {ACTIVATION_BITS[one]: one for one in forms}.values()}


def _layer(unit: Unit, errors: Errors, schemes: Sequence[Scheme]) -> LayerSensitivity:
    found = []
    for scheme in schemes:
        same = [one for one in schemes if ACTIVATION_BITS[one] == ACTIVATION_BITS[scheme]]
        measured = (errors[unit.name, one] for one in (scheme, *same) if (unit.name, one) in errors)
        found.append(SchemeError(scheme, next(measured)))
    return LayerSensitivity(unit.name, unit.nodes, tuple(found))
