"""One chip: engines, memories and their rates, each number with its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["read", "derived", "measured", "fitted"]


@dataclass(frozen=True)
class Quantity:
    """A number with where it comes from; `value` is None where nobody says."""

    value: float | None
    source: str = ""
    status: Status = "read"


@dataclass(frozen=True)
class EngineProfile:
    """One kind of engine, `count` times on the chip.

    `peak_ops_per_s` is per single engine, by precision scheme ("w8a8", "float16", "float32"), in the order of
    preference; 1 MAC = 2 operations. `operators` lists what the engine runs ("*": everything), by ONNX name.
    """

    name: str
    kind: Literal["npu", "gpu", "dla", "dsp", "cpu"]
    count: int
    peak_ops_per_s: dict[str, Quantity]
    operators: tuple[str, ...]
    node_overhead_s: Quantity = Quantity(None)

    def supports(self, op: str) -> bool:
        """Say whether the engine runs an operator."""
        return "*" in self.operators or op in self.operators


@dataclass(frozen=True)
class DramProfile:
    """Off-chip memory, as seen by the engines together."""

    bandwidth_bytes_per_s: Quantity
    size_bytes: Quantity = Quantity(None)


@dataclass(frozen=True)
class OnChipProfile:
    """On-chip memory that the toolchain can place activations in."""

    size_bytes: Quantity
    bank_count: int | None = None
    alignment_bytes: int = 64


@dataclass(frozen=True)
class ChipProfile:
    """A chip. `engines[0]` is the one that networks are meant for; `fallback` names the engine that takes
    the operators which it lacks."""

    name: str
    title: str
    engines: tuple[EngineProfile, ...]
    fallback: str
    dram: DramProfile
    on_chip: OnChipProfile

    def engine(self, name: str) -> EngineProfile:
        """Give an engine by name."""
        return next(engine for engine in self.engines if engine.name == name)

    def engine_for(self, op: str) -> EngineProfile:
        """Give the engine that runs an operator: the main one, else the fallback."""
        main = self.engines[0]
        return main if main.supports(op) else self.engine(self.fallback)
