"""How good a solver's answer is known to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SolveBound:
    """Status and bound of a minimisation. `optimal` means objective == lower_bound, or proved otherwise;
    `unknown` that the search gave up before it met any answer.

    Deterministic: work is counted in `steps` (nodes, iterations), not in seconds.
    """

    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    objective: int
    lower_bound: int
    method: str
    steps: int = 0

    @property
    def gap(self) -> float:
        """Relative distance between the objective and the lower bound."""
        return (self.objective - self.lower_bound) / self.lower_bound if self.lower_bound else 0.0
