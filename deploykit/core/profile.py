"""One chip: engines, memories and their rates, each number with its source."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, cast

from deploykit.core.calibration import Calibration, DecodeRate
from deploykit.core.chip_classes import Span
from deploykit.core.profile_facts import OtherEngine, PowerMode, Price, Status, VendorFigure

SchemeName: TypeAlias = Literal["float32", "float16", "w8a8", "w8a16", "w4a16", "w4a8", "w4a4"]
"""Weight and activation bits; 8 and 4 are integers, a16 is int16 or float16 as the toolchain has it."""

Granularity: TypeAlias = Literal["tensor", "channel"] | int
"""How many weights share a scale: all, those of an output channel, or so many along the input channels."""


@dataclass(frozen=True)
class Quantity:
    """A number with where it comes from; `value` is None where nobody says."""

    value: float | None = None
    source: str = ""
    status: Status = "read"


@dataclass(frozen=True)
class SchemeOffer:
    """A precision scheme that the chip's toolchain has on an engine.

    `computes_as` is the scheme whose peak bounds it: a scheme of packed weights alone unpacks them and
    computes in float16 or w8a16. `weights` says how many weights may share a scale; it is empty where nobody
    says. `limits` is a sentence for the reader.
    """

    scheme: SchemeName
    computes_as: SchemeName
    weights: tuple[Granularity, ...] = ()
    limits: str = ""
    source: str = ""
    status: Status = "read"


@dataclass(frozen=True)
class EngineProfile:
    """One kind of engine, `count` times on the chip.

    `peak_ops_per_s` is per single engine, by precision scheme ("w8a8", "float16", "float32"), in the order of
    preference; 1 MAC = 2 operations. `operators` lists what the engine runs ("*": everything), by ONNX name.
    `fuses` lists the operators that its compiler computes on the way out of the layer before them, so that
    the tensor between the two never leaves the chip (`analysis.fusion` has the rule). `schemes` has what is
    known of the schemes beside their peaks, and the schemes that compute at the peak of another. `free_views`
    are operators that cost no copy, because the engine reads their input in another order.
    """

    name: str
    kind: Literal["npu", "gpu", "dla", "dsp", "cpu"]
    count: int
    peak_ops_per_s: dict[str, Quantity]
    operators: tuple[str, ...]
    node_overhead_s: Quantity = Quantity(None)
    fuses: tuple[str, ...] = ()
    schemes: tuple[SchemeOffer, ...] = ()
    energy_per_op_j: dict[str, Quantity] = field(default_factory=dict)
    free_views: tuple[Literal["Transpose"], ...] = ()

    @property
    def offers(self) -> tuple[SchemeOffer, ...]:
        """Give every scheme that the engine has: those with a peak of their own first, in their order."""
        described: dict[str, SchemeOffer] = {offer.scheme: offer for offer in self.schemes}
        own = (described.pop(name, _plain_offer(name, peak)) for name, peak in self.peak_ops_per_s.items())
        return (*own, *described.values())

    def peak_of(self, scheme: str) -> Quantity:
        """Give the peak that bounds a scheme: its own, else the one that it computes at, else a blank."""
        own = self.peak_ops_per_s.get(scheme, Quantity())
        if own.value is not None:
            return own
        computes_as = next((offer.computes_as for offer in self.schemes if offer.scheme == scheme), scheme)
        return self.peak_ops_per_s.get(computes_as, own)

    def supports(self, op: str) -> bool:
        """Say whether the engine runs an operator."""
        return "*" in self.operators or op in self.operators


@dataclass(frozen=True)
class DramProfile:
    """Off-chip memory, as seen by the engines together.

    `bandwidth_bytes_per_s` is what predictions use, `nominal_bytes_per_s` the interface's transfers x bus x
    channels. `bounds` is the range of a blank bandwidth where the kind and width of the memory are known.
    """

    bandwidth_bytes_per_s: Quantity
    size_bytes: Quantity = Quantity(None)
    nominal_bytes_per_s: Quantity = Quantity(None)
    energy_per_byte_j: Quantity = Quantity(None)
    bounds: Span | None = None


@dataclass(frozen=True)
class OnChipProfile:
    """On-chip memory that the toolchain can place activations in; `size_bytes` is that of all banks.

    `channel_block_bytes`: feature maps hold their channels in blocks of so many bytes a pixel, the last one
    filled up. `row_pitch_bytes`: rows start at multiples of it. `operands_per_bank`: how many operands of one
    operator a bank serves at full speed; 1 means that each wants a bank of its own.
    """

    size_bytes: Quantity
    bank_count: int | None = None
    alignment_bytes: int = 64
    channel_block_bytes: Quantity = Quantity(None)
    row_pitch_bytes: Quantity = Quantity(None)
    operands_per_bank: Quantity = Quantity(None)


@dataclass(frozen=True)
class ChipProfile:
    """A chip. `engines[0]` is the one that networks are meant for; `fallback` names the engine that takes
    the operators which it lacks. `notes` are sentences for the reader (what a vendor's figure means ...);
    `file` is the profile's file name, for messages. `chip_class` names the class of chips whose ranges stand
    in for blanks (`core.chip_classes`); `recalled` lists keys whose values nobody looked up."""

    name: str
    title: str
    engines: tuple[EngineProfile, ...]
    fallback: str
    dram: DramProfile
    on_chip: OnChipProfile
    notes: tuple[str, ...] = ()
    file: str = ""
    chip_class: str = ""
    recalled: tuple[str, ...] = ()
    vendor_figures: tuple[VendorFigure, ...] = ()
    other_engines: tuple[OtherEngine, ...] = ()
    power: tuple[PowerMode, ...] = ()
    prices: tuple[Price, ...] = ()
    calibration: tuple[Calibration, ...] = ()
    decode_rates: tuple[DecodeRate, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Give the keys that a prediction on the first engine needs and that are blank; none: complete."""
        main = self.engines[0]
        keys = (
            [] if any(peak.value is not None for peak in main.peak_ops_per_s.values()) else ["peak_ops_per_s"]
        )
        bandwidth = self.dram.bandwidth_bytes_per_s.value
        return (
            *(f"engines.{main.name}.{key}" for key in keys),
            *(("dram.bandwidth_bytes_per_s",) if bandwidth is None else ()),
        )

    def engine(self, name: str) -> EngineProfile:
        """Give an engine by name."""
        return next(engine for engine in self.engines if engine.name == name)

    def engine_for(self, op: str) -> EngineProfile:
        """Give the engine that runs an operator: the main one, else the fallback."""
        main = self.engines[0]
        return main if main.supports(op) else self.engine(self.fallback)


HOST = "host"
"""The name of the profile of this machine; it is measured, not shipped."""


def _plain_offer(scheme: str, peak: Quantity) -> SchemeOffer:
    name = cast(SchemeName, scheme)
    return SchemeOffer(name, name, source=peak.source, status=peak.status)


def load_profile(name: str, *, beside: Path | None = None) -> tuple[ChipProfile, Path]:
    """Read a chip profile by its name ("rk3588") or its file ("chips/mine.yaml"), and say which file it was.

    A name is looked for in `beside`, in `beside/hw_profiles`, then among the shipped profiles, then in the
    user's cache, where `host` is kept.

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
    return (*own, shipped, in_source_tree, host_profile_file().parent)


def host_profile_file() -> Path:
    """Give the file of this machine's own profile, in the user's cache (XDG_CACHE_HOME, or ~/.cache)."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "deploykit" / "hw_profiles" / f"{HOST}.yaml"
