"""Records every activation of a real run, for a replay of the memory plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from deploykit.artifacts.model import Partition
from deploykit.core.store import Reader
from deploykit.toolchains.reference import ReferenceNetwork, zeros
from deploykit.toolchains.taps import tapped


def recorded_frames(
    partition: Partition, reader: Reader, frames: Iterable[Mapping[str, NDArray[Any]]], folder: Path
) -> Iterator[dict[str, bytes]]:
    """Run consecutive frames from a reset state, and give the bytes of every activation of each.

    Nothing is fused: each node's result is what the graph says. State inputs are among the values. The files
    that this needs lie below `folder`.
    """
    names = [name for segment in partition.segments for node in segment.graph.nodes for name in node.outputs]
    changed, files = tapped(partition, reader, [name for name in names if name], folder)
    network = ReferenceNetwork(changed, files, exact=True)
    state = {pair.input: zeros(partition.tensor[pair.input]) for pair in partition.state}
    for frame in frames:
        outputs = network(frame)
        values = {**state, **frame, **outputs}
        yield {name: value.tobytes() for name, value in values.items()}
        state = {pair.input: outputs[pair.output] for pair in partition.state}
