"""What is left to do to bring a pipeline's networks to a chip: counted from what a run has left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

WorkState: TypeAlias = Literal["done", "to do", "failed"]


@dataclass(frozen=True)
class WorkItem:
    """One area of the work. `evidence` says what the state was read from, `next` what to do where it is open.

    `days` are the user's own estimate; None where none was given.
    """

    area: str
    state: WorkState
    evidence: str
    risks: tuple[str, ...] = ()
    next: str = ""
    days: float | None = None


@dataclass(frozen=True)
class NetworkWork:
    """All areas of one network, in the order in which they are usually done."""

    network: str
    items: tuple[WorkItem, ...]

    @property
    def open(self) -> tuple[WorkItem, ...]:
        """The items that are not done."""
        return tuple(item for item in self.items if item.state != "done")

    @property
    def open_days(self) -> float:
        """The user's days for what is open, where given."""
        return sum(item.days or 0.0 for item in self.open)


@dataclass(frozen=True)
class WorkEstimate:
    """The work of all networks of a pipeline on its chip."""

    pipeline: str
    chip: str
    networks: tuple[NetworkWork, ...]
