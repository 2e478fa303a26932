"""The reference toolchain: onnxruntime on the host, segment by segment, frame by frame, with state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

from deploykit.artifacts.graph import TensorInfo
from deploykit.artifacts.model import Model, Partition, Segment
from deploykit.core.dtypes import numpy_dtype
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.runtime import open_session, run_session
from deploykit.core.store import Reader

Array: TypeAlias = NDArray[Any]


class ReferenceNetwork:
    """A partition that runs frame by frame; it keeps its state pairs between frames.

    `exact` runs bit-equal to the whole network run in the same way (`core.runtime`). Callers leave state
    inputs out: the network feeds them itself, zeros after a reset.
    """

    def __init__(
        self, partition: Partition, reader: Reader, *, exact: bool = False, threads: int = 1
    ) -> None:
        self.partition = partition
        self._sessions = [
            open_session(
                reader.folder(segment.files) / segment.files[0].name,
                exact=exact,
                threads=threads,
                name=f"segment {segment.name!r}",
            )
            for segment in partition.segments
        ]
        self._state: dict[str, Array] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the state: the next frame is the first of a clip."""
        self._state = {pair.input: zeros(self.partition.tensor[pair.input]) for pair in self.partition.state}

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one frame; gives all outputs of the network by name. Raises InputError for wrong inputs."""
        values = {**self._state, **inputs}
        self._check(values)
        for segment, session in zip(self.partition.segments, self._sessions, strict=True):
            fed = {name: values[name] for name in segment.graph.inputs}
            results = run_session(session, fed, segment.graph.outputs, name=f"segment {segment.name!r}")
            values.update(zip(segment.graph.outputs, results, strict=True))
        for pair in self.partition.state:
            self._state[pair.input] = values[pair.output]
        return {name: values[name] for name in self.partition.outputs}

    def _check(self, values: Mapping[str, Array]) -> None:
        faults = [
            Fault(
                f"input {name!r}",
                "no data was given for it",
                f"inputs are: {', '.join(self.partition.inputs)}",
            )
            for name in self.partition.inputs
            if name not in values
        ]
        known = set(self.partition.inputs)
        faults += [
            Fault(f"input {name!r}", f"{self.partition.network} has no such input", "leave it out")
            for name in values
            if name not in known
        ]
        if faults:
            raise InputError(*faults)


def reference_model(
    model: Model, reader: Reader, *, exact: bool = False, threads: int = 1
) -> ReferenceNetwork:
    """Give a whole model as a network of one segment."""
    return ReferenceNetwork(as_partition(model), reader, exact=exact, threads=threads)


def as_partition(model: Model) -> Partition:
    """See a model as a partition of one segment, named "whole"."""
    segment = Segment("whole", model.files, model.graph, engine="", reason="the network was not cut")
    return Partition(
        network=model.network,
        inputs=model.graph.inputs,
        outputs=model.graph.outputs,
        segments=(segment,),
        state=model.state,
        equality=model.equality,
    )


def zeros(tensor: TensorInfo) -> Array:
    """Give a first state of zeros. Raises InputError where the shape has free sizes."""
    if tensor.shape is None or not all(isinstance(size, int) for size in tensor.shape):
        shown = "unknown" if tensor.shape is None else str(list(tensor.shape))
        raise input_error(
            f"state {tensor.name!r}", f"its shape is {shown}", "bind its free sizes under `export:`"
        )
    return numpy.zeros([int(size) for size in tensor.shape if size is not None], numpy_dtype(tensor.dtype))
