"""Dump every layer of a network over the frames of some clips."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy

from deploykit.analysis.flow import NetworkFlow
from deploykit.artifacts.dumps import DumpedTensor, DumpSet
from deploykit.artifacts.graph import NodeInfo
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import EQUALISED, network_name
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.workspace import Workspace
from deploykit.tasks.protocol import Clip, Frame
from deploykit.toolchains.reference import ReferenceNetwork, zeros

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall


@dataclass(frozen=True)
class DumpParams:
    """Options of the dump stage.

    `include` and `exclude` are patterns over tensor names (`/head/*`). `frames` is the most to dump over
    all clips, in order. `max_bytes` is the most that a dump may take on the disk. `state` "reset" begins each
    clip anew; the others plant faults, to compare a board with: "carried" never resets, "stateless" gives
    every frame a state of zeros.
    """

    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()
    frames: int = 6
    max_bytes: int = 4_000_000_000
    state: Literal["reset", "carried", "stateless"] = "reset"


@dataclass(frozen=True)
class Wanted:
    """A tensor to dump, with the node of the float network that makes it ("" for an input)."""

    name: str
    node: str
    segment: str
    inputs: tuple[str, ...]


def collect_dumps(
    partition: Partition, clips: Iterable[Clip], *, label: str, params: DumpParams, workspace: Workspace
) -> DumpSet:
    """Run the partition frame by frame and write every activation, one file a tensor over all frames.

    A quantized partition gives the same names as the float one, with the values that the tensors' readers
    see. The network's inputs are dumped too. What is no tensor of one shape in every frame is left out, by
    name.

    Raises:
        InputError: no frames, a pattern that matches nothing, or a dump that would exceed `max_bytes`.
    """
    from deploykit.toolchains.taps import tapped  # pulls onnx in: only when the step runs

    wanted = wanted_tensors(partition, params)
    kept = first_frames(clips, params.frames)
    left_out = [name for name in _names(partition) if name not in {tensor.name for tensor in wanted}]
    with workspace.scratch() as folder:
        inside, files = tapped(partition, workspace, [tensor.name for tensor in wanted], folder / "taps")
        network = ReferenceNetwork(inside, files, exact=True)
        writer = DumpWriter(folder, sum(len(clip.frames) for clip in kept), params.max_bytes)
        first = {pair.input: zeros(partition.tensor[pair.input]) for pair in partition.state}
        state = first
        for clip in workspace.track(kept, f"dumping {label}", len(kept)):
            if clip is kept[0] or params.state != "carried":
                network.reset()
                state = first
            for frame in clip.frames:
                if params.state == "stateless":
                    network.reset()
                    state = first
                values = {**state, **frame, **network(frame)}
                state = {pair.input: values[pair.output] for pair in partition.state}
                writer.write(wanted, values)
        tensors = writer.finish(wanted, workspace)
    left_out += writer.left_out
    frames = tuple((clip.name, len(clip.frames)) for clip in kept)
    state_pairs = tuple((pair.output, pair.input) for pair in partition.state)
    return DumpSet(partition.network, label, frames, tensors, tuple(left_out), state_pairs)


def _names(partition: Partition) -> tuple[str, ...]:
    """Give the names of the float network's activations, also where the partition is a quantized one."""
    activations = [name.removesuffix(EQUALISED) for name in NetworkFlow(partition).activations]
    return tuple(
        name
        for name in dict.fromkeys(activations)
        if network_name(name) == name and _dtype(partition, name) not in ("undefined", "string")
    )


def _dtype(partition: Partition, name: str) -> str:
    return partition.tensor[name if name in partition.tensor else name + EQUALISED].dtype


def wanted_tensors(partition: Partition, params: DumpParams) -> list[Wanted]:
    flow = NetworkFlow(partition)
    names = _names(partition)
    patterns = [
        *(("include", text) for text in params.include),
        *(("exclude", text) for text in params.exclude),
    ]
    faults = [
        Fault(f"dump.{field}", f"{text!r} matches no tensor{did_you_mean(text, names[:20])}")
        for field, text in patterns
        if not any(fnmatch.fnmatchcase(name, text) for name in names)
    ]
    if faults:
        raise InputError(*faults)
    chosen = [
        name
        for name in names
        if any(fnmatch.fnmatchcase(name, text) for text in params.include)
        and not any(fnmatch.fnmatchcase(name, text) for text in params.exclude)
    ]
    return [_origin(flow, name) for name in chosen]


def _origin(flow: NetworkFlow, name: str) -> Wanted:
    """Find the operator behind a tensor; the roundings that quantizing adds are none."""
    node = flow.producer.get(name) or flow.producer.get(name + EQUALISED)
    if node is None:
        return Wanted(name, "", "", ())
    segment = flow.segment_of[node.id]
    while node.op in ("DequantizeLinear", "QuantizeLinear"):
        above = flow.producer.get(node.inputs[0])
        if above is None:
            break
        node = above
    inputs = dict.fromkeys(network_name(source) for source in _activations_read(flow, node))
    return Wanted(name, network_name(node.id), segment, tuple(inputs))


def _activations_read(flow: NetworkFlow, node: NodeInfo) -> Iterator[str]:
    known = set(flow.activations)
    for source in node.inputs:
        if source not in known:
            continue
        maker = flow.producer.get(source)
        if maker is not None and maker.op == "DequantizeLinear" and flow.is_weight(maker.inputs[0]):
            continue  # a stored weight
        yield source


def first_frames(clips: Iterable[Clip], count: int) -> list[Clip]:
    if count < 1:
        raise input_error("dump.frames", f"{count} frames were asked for", "give at least 1")
    kept: list[Clip] = []
    for clip in clips:
        if count == 0:
            break
        kept.append(dataclasses.replace(clip, frames=clip.frames[:count]))
        count -= len(kept[-1].frames)
    kept = [clip for clip in kept if clip.frames]
    if not kept:
        raise input_error("dump", "the data has no frames", "give at least one clip with one frame")
    return kept


class DumpWriter:
    """One memory-mapped `.npy` a tensor, made when its shape is seen in the first frame."""

    def __init__(self, folder: Path, frames: int, max_bytes: int) -> None:
        self._folder = folder
        self._frames = frames
        self._max_bytes = max_bytes
        self._arrays: dict[str, numpy.memmap[tuple[int, ...], numpy.dtype[numpy.generic]]] = {}
        self._at = 0
        self.left_out: list[str] = []

    def write(self, wanted: Sequence[Wanted], values: Frame) -> None:
        """Write one frame's tensors. Raises InputError where all frames would take more than `max_bytes`."""
        if self._at == 0:
            self._open(wanted, values)
        for name in list(self._arrays):
            array = self._arrays[name]
            if values[name].shape == array.shape[1:]:
                array[self._at] = values[name]
            else:  # a size that depends on the data
                del self._arrays[name]
                self.left_out.append(name)
        self._at += 1

    def finish(self, wanted: Sequence[Wanted], workspace: Workspace) -> tuple[DumpedTensor, ...]:
        """Move the files into the store."""
        found = []
        for index, tensor in enumerate(wanted):
            array = self._arrays.pop(tensor.name, None)
            if array is None:
                continue
            array.flush()
            shape, dtype = tuple(int(size) for size in array.shape[1:]), _dtype_name(array.dtype)
            del array
            blob = workspace.keep(self._folder / f"{index}.npy", f"{index:05d}.npy")
            found.append(
                DumpedTensor(tensor.name, tensor.node, tensor.segment, shape, dtype, blob, tensor.inputs)
            )
        return tuple(found)

    def _open(self, wanted: Sequence[Wanted], values: Frame) -> None:
        present = [(index, tensor.name) for index, tensor in enumerate(wanted) if tensor.name in values]
        needed = self._frames * sum(values[name].nbytes for _, name in present)
        if needed > self._max_bytes:
            largest = max((name for _, name in present), key=lambda name: values[name].nbytes)
            size = values[largest].nbytes
            raise input_error(
                "dump",
                f"{self._frames} frames of {len(present)} tensors take {needed:,} bytes, more than "
                f"max_bytes = {self._max_bytes:,} (the largest is {largest}: {size:,} a frame)",
                "dump fewer frames, exclude tensors by pattern, or raise max_bytes",
            )
        self.left_out += [tensor.name for tensor in wanted if tensor.name not in values]
        for index, name in present:
            value = values[name]
            self._arrays[name] = numpy.lib.format.open_memmap(
                self._folder / f"{index}.npy", "w+", value.dtype, (self._frames, *value.shape)
            )


def _dtype_name(dtype: numpy.dtype[numpy.generic]) -> str:
    names: Mapping[str, str] = {"float32": "float", "float64": "double"}
    return names.get(dtype.name, dtype.name)


PARAMS = DumpParams
GIVES = DumpSet


def run(call: StageCall) -> DumpSet:
    """Run the stage for the pipeline: over the float network, or over the quantized one."""
    ((step, partition),) = call.inputs.items()
    label = "quantized" if step == "quantize" else "float"
    return collect_dumps(partition, call.clips, label=label, params=call.params, workspace=call.workspace)
