"""Run the float network over calibration clips and see how large its values get."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from deploykit.analysis.ranges import Method, NonFinite, RangeObserver
from deploykit.artifacts.contract import InputContract
from deploykit.artifacts.model import Partition
from deploykit.artifacts.precision import Calibration, TensorRange
from deploykit.core.errors import input_error
from deploykit.core.workspace import Workspace
from deploykit.tasks.frames import checked_frame, value_faults
from deploykit.tasks.protocol import Clip, Frame
from deploykit.toolchains.reference import ReferenceNetwork
from deploykit.toolchains.taps import tapped

PLAIN = ("minmax", "moving_average")
"""Methods that need no histogram."""


def calibrate(
    partition: Partition,
    tensors: Sequence[str],
    clips: Iterable[Clip],
    *,
    method: Method,
    percent: float,
    whole: Collection[str] = (),
    workspace: Workspace,
) -> Calibration:
    """Give the range of each tensor over all frames, streamed frame by frame with state.

    `method` "percentile" leaves `percent` of the values below a range's end and as many above its start. The
    tensors in `whole` keep their extremes.
    Memory holds one frame's tensors and a histogram each, whatever the number of frames.

    Raises:
        InputError: no frames; missing inputs, wrong types or shapes, NaN or infinity, with clip, frame and
        tensor.
    """
    methods: dict[str, Method] = {name: "minmax" if name in whole else method for name in tensors}
    observers = {name: RangeObserver(histogram=methods[name] not in PLAIN) for name in tensors}
    frames, names = 0, []
    with workspace.scratch() as folder:
        inside, files = tapped(partition, workspace, tensors, folder)
        network = ReferenceNetwork(inside, files, exact=True)
        for clip in workspace.track(clips, "calibrating"):
            network.reset()
            names.append(clip.name)
            for number, frame in enumerate(clip.frames):
                where = f"calibration clip {clip.name!r}, frame {number}"
                checked_frame(frame, list(_contracts(partition, frame)), where)
                values = {**frame, **network(frame)}
                for name, observer in observers.items():
                    if name in values:
                        _observe(observer, name, values, where)
                frames += 1
    if not frames:
        raise input_error(
            f"calibration of {partition.network}",
            "the data has no frames",
            "give at least one clip with one frame",
        )
    seen = {name: observer for name, observer in observers.items() if observer.count}
    ranges = (
        TensorRange(name, *observer.range(methods[name], percent), *observer.range("minmax", 100))
        for name, observer in seen.items()
    )
    return Calibration(partition.network, frames, f"{len(names)} clips", tuple(ranges))


def _observe(observer: RangeObserver, name: str, values: Frame, where: str) -> None:
    try:
        observer.update(values[name])
    except NonFinite:
        (fault,) = value_faults(values[name], name, where)
        raise input_error(
            fault.where,
            fault.what,
            "the float network gives such values on this frame; mend the model or the data",
        ) from None


def _contracts(partition: Partition, frame: Frame) -> Iterator[InputContract]:
    """Give what each input must look like; a free size is whatever the data has there."""
    fed = {pair.input for pair in partition.state}
    for name in partition.inputs:
        if name in fed:
            continue
        info = partition.tensor[name]
        found = frame[name].shape if name in frame else ()
        declared = info.shape if info.shape is not None else found
        free = found if len(found) == len(declared) else (0,) * len(declared)
        sizes = (size if isinstance(size, int) else own for size, own in zip(declared, free, strict=True))
        yield InputContract(name, tuple(sizes), dtype=info.dtype)
