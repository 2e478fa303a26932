"""Runs a network inside its planned memory: every tensor at its offset, everything else poisoned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.analysis.memory_replay import Memory
from deploykit.analysis.planned import as_planned
from deploykit.analysis.stored import Stored
from deploykit.analysis.views import permutation
from deploykit.artifacts.graph import NodeInfo, reads
from deploykit.artifacts.memory import MemoryPlan
from deploykit.artifacts.model import Partition
from deploykit.core.errors import InputError
from deploykit.stages.memory_replay.stored_values import StorageForm, storage_forms
from deploykit.toolchains.node_runner import NodeRunner
from deploykit.toolchains.reference import zeros

Array: TypeAlias = NDArray[Any]
Frame: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True)
class ArenaRun:
    """What a run inside the plan's blocks gave: the network's outputs of each frame, decoded, and what was
    wrong. `plain` are those of the run in which every tensor has memory of its own, `last_frame` all of its
    tensors' bytes in the last frame. `skipped` are tensors whose size the precision plan doesn't tell: they
    were handed on outside the blocks."""

    outputs: tuple[dict[str, Array], ...]
    plain: tuple[dict[str, Array], ...]
    reads: int
    faults: tuple[str, ...]
    skipped: tuple[str, ...]
    last_frame: Mapping[str, bytes]

    @property
    def bit_equal(self) -> bool:
        """Say whether both runs gave the same bits."""
        return all(
            _same(run[name], plain[name])
            for run, plain in zip(self.outputs, self.plain, strict=True)
            for name in plain
        )


def run_in_arena(
    partition: Partition,
    plan: MemoryPlan,
    stored: Mapping[str, Stored],
    frames: Iterable[Frame],
    runner: NodeRunner,
) -> ArenaRun:
    """Run consecutive frames from a reset state, in the plan's order, node by node.

    Each node gets what lies in memory at its inputs' offsets, in the types of `stored`, and its results are
    written at theirs. Bytes that no tensor needs are poison. Each read is also compared with the run without
    a plan, so that a fault is named where it happens.
    """
    network = as_planned(partition, plan)
    kept = list(frames)
    forms = storage_forms(network, stored, _largest(network, kept, runner))
    memory = Memory(network, plan)
    plain_state = {pair.input: zeros(network.tensor[pair.input]) for pair in network.state}
    outputs: list[dict[str, Array]] = []
    plains: list[dict[str, Array]] = []
    values: dict[str, Array] = {}
    for number, frame in enumerate(kept):
        values = _plain(network, {**plain_state, **frame}, forms, runner)
        plain_state = {pair.input: values[pair.output] for pair in network.state}
        plains.append({name: values[name] for name in network.outputs})
        outputs.append(_planned(network, memory, number, frame, values, forms, runner))
    last = {name: form.encode(values[name]) for name, form in forms.items() if name in values}
    lost = [f"{name} has no place in the plan" for name in forms if kept and not memory.holds(name)]
    return ArenaRun(
        tuple(outputs),
        tuple(plains),
        memory.reads,
        (*memory.faults, *lost),
        tuple(dict.fromkeys((*plan.unsized, *(name for name in _activations(network) if name not in forms)))),
        last,
    )


def _activations(network: Partition) -> Iterator[str]:
    yield from network.inputs
    for segment in network.segments:
        yield from (name for node in segment.graph.nodes for name in node.outputs if name)


def _largest(network: Partition, frames: Sequence[Frame], runner: NodeRunner) -> dict[str, float]:
    """Give each tensor's largest finite magnitude in the first frame, in the network's own types."""
    if not frames:
        return {}
    state = {pair.input: zeros(network.tensor[pair.input]) for pair in network.state}
    values = _plain(network, {**state, **frames[0]}, {}, runner)
    found = {}
    for name, value in values.items():
        if numpy.issubdtype(value.dtype, numpy.floating) and value.size:
            magnitudes = numpy.abs(value[numpy.isfinite(value)])
            found[name] = float(magnitudes.max(initial=0.0))
    return found


def _plain(
    network: Partition, given: Frame, forms: Mapping[str, StorageForm], runner: NodeRunner
) -> dict[str, Array]:
    """Run a frame with memory of its own for each tensor, rounded as it is stored."""
    values = {name: _rounded(name, value, forms) for name, value in given.items()}
    for segment in network.segments:
        for node in segment.graph.nodes:
            results = runner.run(node, values)
            values.update({name: _rounded(name, value, forms) for name, value in results.items()})
    for name in network.outputs:
        weight = runner.weight(name)
        if name not in values and weight is not None:
            values[name] = weight
    return values


def _rounded(name: str, value: Array, forms: Mapping[str, StorageForm]) -> Array:
    form = forms.get(name)
    if form is None or form.dtype == form.own or not isinstance(value, numpy.ndarray):
        return value
    return form.decode(form.encode(value), value.shape)


class _Bytes(dict[str, bytes]):
    """The plain run's values as they lie in memory, encoded when first asked for."""

    def __init__(self, values: Mapping[str, Array], forms: Mapping[str, StorageForm]) -> None:
        super().__init__()
        self._values, self._forms = values, forms

    def __contains__(self, name: object) -> bool:
        return name in self._forms and name in self._values

    def __missing__(self, name: str) -> bytes:
        self[name] = self._forms[name].encode(self._values[name])
        return self[name]


def _planned(
    network: Partition,
    memory: Memory,
    number: int,
    frame: Frame,
    plain: Mapping[str, Array],
    forms: Mapping[str, StorageForm],
    runner: NodeRunner,
) -> dict[str, Array]:
    """Run a frame in the plan's memory; gives the network's outputs as they lie there at the end."""
    wanted = _Bytes(plain, forms)
    loose: dict[str, Array] = {}  # what the plan has no place for
    memory.start_frame(number)
    for name in network.inputs:
        if name in memory.state_inputs:
            memory.check(name, wanted, f"frame {number}, at its start")
        else:
            _write(memory, name, frame[name], forms, loose)
    for index, segment in enumerate(network.segments):
        memory.poison(segment.name)
        for step, node in enumerate(segment.graph.nodes):
            where = f"frame {number}, segment {segment.name}, node {node.id}"
            memory.scratch(node)
            fed = {}
            for name in dict.fromkeys(reads(node)):
                if runner.weight(name) is None:
                    memory.check(name, wanted, where)
                    fed[name] = _read(network, memory, name, plain, forms, loose)
            for name in filter(None, node.outputs):
                memory.check_overwrites(name, node, wanted, where)
            for name, value in _results(memory, node, fed, plain, where, runner).items():
                if name not in memory.plan.turned:
                    _write(memory, name, value, forms, loose)
            memory.free(segment.name, step + 1)
        memory.free("shared", index + 1, keep=network.outputs)
    memory.end_frame(number, wanted)
    return dict(_outputs(network, memory, plain, forms, loose, runner))


def _results(
    memory: Memory, node: NodeInfo, fed: Frame, plain: Frame, where: str, runner: NodeRunner
) -> dict[str, Array]:
    """Run a node; one that cannot run on destroyed inputs is one more fault, and its plain results go on."""
    try:
        return runner.run(node, fed)
    except InputError as error:
        if not memory.faults:
            raise
        memory.faults.append(f"{where}: it cannot run on what lies there: {error}")
        return {name: plain[name] for name in node.outputs if name}


def _outputs(
    network: Partition,
    memory: Memory,
    plain: Mapping[str, Array],
    forms: Mapping[str, StorageForm],
    loose: Mapping[str, Array],
    runner: NodeRunner,
) -> Iterator[tuple[str, Array]]:
    for name in network.outputs:
        weight = runner.weight(name)
        yield name, _read(network, memory, name, plain, forms, loose) if weight is None else weight


def _write(
    memory: Memory, name: str, value: Array, forms: Mapping[str, StorageForm], loose: dict[str, Array]
) -> None:
    if name in forms and memory.holds(name):
        memory.write(name, {name: forms[name].encode(value)})
    else:
        loose[name] = value


def _read(
    network: Partition,
    memory: Memory,
    name: str,
    plain: Mapping[str, Array],
    forms: Mapping[str, StorageForm],
    loose: Mapping[str, Array],
) -> Array:
    """Give what lies at a tensor's place. A shape that depends on data is the plain run's."""
    if name not in forms or not memory.holds(name):
        return loose[name]
    if name in memory.plan.turned:
        writer = _writer(network, name)
        source = writer.inputs[0]
        value = forms[name].decode(memory.content_at(name), plain[source].shape)
        return value.transpose(permutation(writer, value.ndim))
    return forms[name].decode(memory.content_at(name), plain[name].shape)


def _writer(network: Partition, name: str) -> NodeInfo:
    return next(item.graph.producer[name] for item in network.segments if name in item.graph.producer)


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
