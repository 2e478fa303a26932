"""One chip: engines, memories and their rates, each number with its source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Status: TypeAlias = Literal["read", "derived", "measured", "fitted"]


@dataclass(frozen=True)
class Quantity:
    """A number with where it comes from; `value` is None where nobody says."""

    value: float | None = None
    source: str = ""
    status: Status = "read"


@dataclass(frozen=True)
class EngineProfile:
    """One kind of engine, `count` times on the chip.

    `peak_ops_per_s` is per single engine, by precision scheme ("w8a8", "float16", "float32"), in the order of
    preference; 1 MAC = 2 operations. `operators` lists what the engine runs ("*": everything), by ONNX name.
    `fuses` lists the operators that its compiler computes on the way out of the layer before them, so that
    the tensor between the two never leaves the chip (`analysis.fusion` has the rule).
    """

    name: str
    kind: Literal["npu", "gpu", "dla", "dsp", "cpu"]
    count: int
    peak_ops_per_s: dict[str, Quantity]
    operators: tuple[str, ...]
    node_overhead_s: Quantity = Quantity(None)
    fuses: tuple[str, ...] = ()

    def supports(self, op: str) -> bool:
        """Say whether the engine runs an operator."""
        return "*" in self.operators or op in self.operators


@dataclass(frozen=True)
class DramProfile:
    """Off-chip memory, as seen by the engines together.

    `bandwidth_bytes_per_s` is what predictions use, `nominal_bytes_per_s` the interface's transfers x bus x
    channels.
    """

    bandwidth_bytes_per_s: Quantity
    size_bytes: Quantity = Quantity(None)
    nominal_bytes_per_s: Quantity = Quantity(None)


@dataclass(frozen=True)
class OnChipProfile:
    """On-chip memory that the toolchain can place activations in."""

    size_bytes: Quantity
    bank_count: int | None = None
    alignment_bytes: int = 64


@dataclass(frozen=True)
class ChipProfile:
    """A chip. `engines[0]` is the one that networks are meant for; `fallback` names the engine that takes
    the operators which it lacks. `notes` are sentences for the reader (what a vendor's figure means ...);
    `file` is the profile's file name, for messages."""

    name: str
    title: str
    engines: tuple[EngineProfile, ...]
    fallback: str
    dram: DramProfile
    on_chip: OnChipProfile
    notes: tuple[str, ...] = ()
    file: str = ""

    def engine(self, name: str) -> EngineProfile:
        """Give an engine by name."""
        return next(engine for engine in self.engines if engine.name == name)

    def engine_for(self, op: str) -> EngineProfile:
        """Give the engine that runs an operator: the main one, else the fallback."""
        main = self.engines[0]
        return main if main.supports(op) else self.engine(self.fallback)


def load_profile(name: str, *, beside: Path | None = None) -> tuple[ChipProfile, Path]:
    """Read a chip profile by its name ("rk3588") or its file ("chips/mine.yaml"), and say which file it was.

    A name is looked for in `beside`, in `beside/hw_profiles`, then among the shipped profiles.

    Raises:
        InputError: no such profile, or everything that is wrong with it.
    """
    from deploykit.core.profile_file import read_profile, unknown_profile  # YAML is slow to import

    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        path = path if path.is_absolute() or beside is None else beside / path
    else:
        files = _files(beside)
        if name not in files:
            raise unknown_profile(name, profile_names(beside=beside))
        path = files[name]
    return read_profile(path), path


def profile_names(*, beside: Path | None = None) -> tuple[str, ...]:
    """Give the names of the chips that `load_profile` finds in the folders of profiles, sorted."""
    names = {path.stem for folder in profile_folders(beside) for path in folder.glob("*.yaml")}
    return tuple(sorted(names - {"template"}))


def _files(beside: Path | None) -> dict[str, Path]:
    """Give profiles by name; the first folder that has a name wins."""
    folders = [*([beside] if beside else []), *profile_folders(beside)]
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return found


def profile_folders(beside: Path | None) -> tuple[Path, ...]:
    """Give the folders that hold profiles, in the order in which they are searched."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "shipped" / "hw_profiles"  # in an installed wheel
    in_source_tree = package.parent / "hw_profiles"
    own = (beside / "hw_profiles",) if beside else ()
    return (*own, shipped, in_source_tree)
