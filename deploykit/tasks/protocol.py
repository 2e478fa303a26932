"""What a task is: a source of data, and a metric for the networks that it feeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from deploykit.artifacts.evaluation import FrameSketch

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"
Frame: TypeAlias = Mapping[str, Array]
"""A network's inputs by name; inputs that are state are left out."""

Record: TypeAlias = Mapping[str, Any]
"""What one validation clip gives; JSON-able, so that it can be stored and resampled."""


@dataclass(frozen=True)
class Clip:
    """Consecutive frames; state is reset at the start."""

    name: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class MetricSpec:
    """A metric's name, unit, direction, and the sentence that explains it."""

    name: str
    unit: str
    better: Literal["higher", "lower", "none"]
    doc: str


class Network(Protocol):
    """A network that runs frame by frame and keeps its own state pairs between frames."""

    def reset(self) -> None:
        """Forget the state: the next frame is the first of a clip."""

    def __call__(self, inputs: Frame) -> dict[str, Array]:
        """Run one frame; gives all outputs of the network by name."""


class Task(Protocol):
    """A data source with a metric. Implementations are frozen dataclasses whose fields are their options."""

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What `summarise` gives, in the order in which people read it; empty where there are no labels."""

    def calibration_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give up to `count` clips of training data for one network."""

    def validation_clips(self, network: str, count: int) -> Iterator[Clip]:
        """Give up to `count` unseen clips for one network, as `evaluate_clip` uses them."""

    def evaluate_clip(self, index: int, networks: Mapping[str, Network]) -> Record:
        """Run validation clip `index` through the networks. Clips are independent of each other."""

    def summarise(self, records: Sequence[Record]) -> dict[str, float]:
        """Give every metric over these clips; called on bootstrap resamples too, so it has to be quick."""


@runtime_checkable
class Draws(Protocol):
    """A task that can also show what the networks found."""

    def sketch_clip(self, index: int, networks: Mapping[str, Network]) -> Sequence[FrameSketch]:
        """Run validation clip `index` and draw each frame; both variants' sketches are of the same size."""
