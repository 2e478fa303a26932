"""What is wrong with a network's memory options, or with what it would have to place: all faults at once."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence

from deploykit.analysis.placement import SHARED, STATE
from deploykit.analysis.stored import Stored
from deploykit.artifacts.graph import TensorInfo
from deploykit.artifacts.model import Partition
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean
from deploykit.core.profile import ChipProfile
from deploykit.stages.memory.params import MemoryParams


def check_options(partition: Partition, params: MemoryParams, profile: ChipProfile) -> None:
    """Raise InputError with everything that is wrong before any size is known."""
    faults = [
        *_segment_names(partition),
        *_alignment(params, profile),
        *_state(partition),
        *_patterns(partition, params),
        *_upper_bounds(partition, params),
    ]
    if faults:
        raise InputError(*faults)


def check_sizes(
    partition: Partition, stored: Mapping[str, Stored], unsized: Sequence[str], params: MemoryParams
) -> None:
    """Raise InputError with every tensor that no arena of the allowed size can hold."""
    limit = params.arena_bytes
    faults: list[Fault] = []
    if limit:
        pinned = {name for pair in partition.state for name in (pair.output, pair.input)}
        faults += [
            Fault(
                f"{partition.network}, tensor {name!r}",
                f"it requires {form.size_bytes} bytes, available are {limit} (memory.arena_bytes): "
                f"{form.size_bytes - limit} missing",
                _smaller(form),
            )
            for name, form in stored.items()
            if form.size_bytes > limit and name not in pinned
        ]
        faults += [
            Fault(
                f"{partition.network}, tensor {name!r}",
                f"nobody knows how many bytes it requires, available are {limit} (memory.arena_bytes)",
                "give its largest shape in `memory.upper_bounds`, or bind the network's free sizes "
                "under `export:`",
            )
            for name in unsized
        ]
    if faults:
        raise InputError(*faults)


def _smaller(form: Stored) -> str:
    return (
        f"it is {form.dtype}{list(form.shape)}: store it in fewer bits, cut the network's input into smaller "
        "tiles, or allow a larger arena"
    )


def _segment_names(partition: Partition) -> Iterator[Fault]:
    for segment in partition.segments:
        if segment.name in (SHARED, STATE):
            yield Fault(f"segment {segment.name!r}", "the memory plan uses this name", "rename the segment")


def _alignment(params: MemoryParams, profile: ChipProfile) -> Iterator[Fault]:
    own = params.alignment_bytes
    where = "memory.alignment_bytes" if own else f"chip {profile.name}: on_chip.alignment_bytes"
    value = own or profile.on_chip.alignment_bytes
    if value < 1 or value & (value - 1):
        above = 1 << max(value - 1, 0).bit_length()
        below = max(above // 2, 1)
        near = f"{below} or {above}" if value > 1 else "1 or more"
        yield Fault(where, f"{value} is not a power of two", f"give {near}")
    if params.arena_bytes < 0:
        yield Fault("memory.arena_bytes", f"{params.arena_bytes} bytes are below 0", "give 0 for any size")


def _state(partition: Partition) -> Iterator[Fault]:
    """A state's two ends must be an output and an input of the network, of the same type and shape."""
    for pair in partition.state:
        where = f"{partition.network}, state {pair.output!r} -> {pair.input!r}"
        if pair.output not in partition.outputs:
            near = did_you_mean(pair.output, partition.outputs)
            yield Fault(where, f"it has no partner: the network has no output {pair.output!r}{near}")
        if pair.input not in partition.inputs:
            near = did_you_mean(pair.input, partition.inputs)
            yield Fault(where, f"it has no partner: the network has no input {pair.input!r}{near}")
        ends = [partition.tensor.get(name) for name in (pair.output, pair.input)]
        left, right = ends
        if left and right and (left.dtype, left.shape) != (right.dtype, right.shape):
            what = f"{_shown(left)} is written, {_shown(right)} is read"
            yield Fault(where, what, "both must be of the same type and shape")


def _shown(info: TensorInfo) -> str:
    return f"{info.dtype}{list(info.shape or ())}"


def _patterns(partition: Partition, params: MemoryParams) -> Iterator[Fault]:
    made = [name for name in partition.tensor if not partition.tensor[name].is_weight]
    for pattern in params.keep:
        if not fnmatch.filter(made, pattern):
            yield Fault("memory.keep", f"no tensor is called {pattern!r}{_near(pattern, made)}")
    for pattern, frames in params.hold_outputs.items():
        where = f"memory.hold_outputs.{pattern}"
        if not fnmatch.filter(partition.outputs, pattern):
            near = _near(pattern, partition.outputs)
            yield Fault(where, f"the network has no output that is called so{near}")
        if frames < 1:
            yield Fault(where, f"{frames} frames", "give 2 to read one frame while the next is written")
    states = [pair.output for pair in partition.state]
    for name, frames in params.history.items():
        where = f"memory.history.{name}"
        if name not in states:
            known = did_you_mean(name, states) if states else "; the network has no state"
            yield Fault(
                where, f"no state has this output{known}", "name the output of a pair in `export.state`"
            )
        if frames < 1:
            yield Fault(where, f"{frames} frames", "give the number of frames that stay readable, from 1 on")


def _near(pattern: str, names: Sequence[str]) -> str:
    """Give the nearest name, or nothing: all of a network's tensors are too many to list."""
    near = did_you_mean(pattern, names)
    return near if near.startswith(", did") or len(names) <= 10 else ""


def _upper_bounds(partition: Partition, params: MemoryParams) -> Iterator[Fault]:
    for name, bound in params.upper_bounds.items():
        where = f"memory.upper_bounds.{name}"
        info = partition.tensor.get(name)
        if info is None:
            yield Fault(where, f"no tensor is called so{_near(name, list(partition.tensor))}")
        elif any(size < 0 for size in bound):
            yield Fault(where, f"{list(bound)} has a size below 0")
        elif info.shape is not None and (
            len(info.shape) != len(bound)
            or any(isinstance(a, int) and a != b for a, b in zip(info.shape, bound, strict=True))
        ):
            yield Fault(where, f"{list(bound)} does not fit its shape {list(info.shape)}")
