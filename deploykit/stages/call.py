"""What the runner hands to a stage's `run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploykit.core.profile import ChipProfile
from deploykit.core.workspace import Workspace
from deploykit.tasks.protocol import Clip, Task


@dataclass(frozen=True)
class ClipSource:
    """Clips of one network, made anew on each iteration, so that none has to be held."""

    make: Callable[[str, int], Iterator[Clip]]
    network: str
    count: int

    def __iter__(self) -> Iterator[Clip]:
        return self.make(self.network, self.count)


@dataclass(frozen=True)
class StageCall:
    """One step's inputs. A stage's function never sees this: its own signature is the interface.

    `inputs` maps each step that the stage reads to its artifact; for a stage of the whole pipeline, to a
    tuple with one artifact a network, in the order of `networks`. `profile`, `clips`, `task` and `source`
    are set where the stage's entry in `STAGES` asks for them.
    """

    networks: tuple[str, ...]
    params: Any
    inputs: Mapping[str, Any]
    workspace: Workspace
    profile: ChipProfile
    clips: ClipSource | tuple[()] = ()
    task: Task | None = None
    task_kind: str = ""
    folder: Path = Path()
    source: Path | None = None

    @property
    def network(self) -> str:
        """The one network of a network stage."""
        (network,) = self.networks
        return network
