"""What the pipeline tells a task besides the user's options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploykit.artifacts.contract import InputContract
from deploykit.core.errors import input_error


@dataclass(frozen=True)
class TaskContext:
    """The contracts of every network's inputs (without state), and the folder of the pipeline's YAML."""

    contracts: Mapping[str, tuple[InputContract, ...]]
    folder: Path

    def of(self, network: str) -> tuple[InputContract, ...]:
        """Give the contracts of one network."""
        if network not in self.contracts:
            raise input_error(
                f"networks.{network}", "the pipeline has no such network", f"it has {self.names}"
            )
        return self.contracts[network]

    @property
    def names(self) -> str:
        """The networks' names, for messages."""
        return ", ".join(self.contracts)
