"""The YAML form of a chip profile, and what has to be true of its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.profile import (
    ChipProfile,
    DramProfile,
    EngineProfile,
    OnChipProfile,
    Quantity,
    Status,
    profile_folders,
)
from deploykit.core.yaml_file import Document, Location, load_document, located, parse

Kind: TypeAlias = Literal["npu", "gpu", "dla", "dsp", "cpu"]
SchemeName: TypeAlias = Literal["float32", "float16", "w8a8"]

BLANK = Quantity()
NO_ON_CHIP = OnChipProfile(BLANK)

PEAK_RANGE: dict[Kind, tuple[float, float]] = {
    "npu": (1e10, 1e15),
    "gpu": (1e11, 4e15),
    "dla": (1e11, 1e15),
    "dsp": (1e9, 1e14),
    "cpu": (1e8, 1e14),
}
"""Operations per second that engines of a kind have, from the smallest to the largest on the market."""

BANDWIDTH_RANGE = (1e9, 4e12)
DRAM_SIZE_RANGE = (1e7, 1e12)
ON_CHIP_SIZE_RANGE = (1e4, 1e9)
OVERHEAD_RANGE = (1e-8, 1e-2)
OUTSIDE_FACTOR = 100.0
"""A number this far outside its range is a mistake in the unit, such as GB where bytes are meant."""


@dataclass(frozen=True)
class OperatorSet:
    """ONNX operators, and the document that names them; also the form of the files in `operators/`."""

    source: str
    operators: tuple[str, ...]


@dataclass(frozen=True)
class Interface:
    """A memory bus: bandwidth = transfers x bus bytes x channels."""

    transfers_per_s: float
    bus_bytes: float
    channels: int = 1
    source: str = ""
    status: Status = "derived"

    def bandwidth(self) -> Quantity:
        """Give the product of the three."""
        return Quantity(self.transfers_per_s * self.bus_bytes * self.channels, self.source, self.status)


@dataclass(frozen=True)
class EngineEntry:
    """One kind of engine as the file has it: `operators` names operator sets (the file's own, or files of the
    folder `operators/`), or is ["*"]."""

    name: str
    kind: Kind
    count: int
    operators: tuple[str, ...]
    peak_ops_per_s: dict[SchemeName, Quantity]
    node_overhead_s: Quantity = BLANK
    fuses: tuple[str, ...] = ()


@dataclass(frozen=True)
class DramEntry:
    """DRAM as the file has it: an effective bandwidth, or the interface, or both."""

    bandwidth_bytes_per_s: Quantity = BLANK
    interface: Interface | None = None
    size_bytes: Quantity = BLANK


@dataclass(frozen=True)
class ProfileFile:
    """A whole profile file. Each `source` names an entry of `sources`."""

    name: str
    title: str
    engines: tuple[EngineEntry, ...]
    fallback: str
    dram: DramEntry
    on_chip: OnChipProfile = NO_ON_CHIP
    sources: dict[str, str] = field(default_factory=dict)
    operator_sets: dict[str, OperatorSet] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_profile(path: Path) -> ChipProfile:
    """Read and check a profile file.

    Raises:
        InputError: all that is wrong with it, each fault with its line and column.
    """
    document = load_document(path)
    entry = parse(document, ProfileFile)
    shared = _shared_operator_sets(path.parent)
    faults = [*_naming_faults(document, entry, shared), *_number_faults(document, entry)]
    if faults:
        raise InputError(*faults)
    own = {name: names.operators for name, names in entry.operator_sets.items()}
    used = {name for engine in entry.engines for name in engine.operators}
    named = {name: _read_operator_set(shared[name]) for name in used & shared.keys() - own.keys()}
    return _profile(entry, path.name, {**own, **named})


def unknown_profile(name: str, known: tuple[str, ...]) -> InputError:
    """Make the error for a chip that no profile describes."""
    near = did_you_mean(name, known)
    fix = (
        f"known: {', '.join(sorted(known))}; or write a profile (template.yaml is a start) and name its file"
    )
    return input_error("chip", f"no profile for {name!r}{near if near.startswith(', did') else ''}", fix)


def _shared_operator_sets(beside: Path) -> dict[str, Path]:
    """Give the operator lists that profiles share, by name: beside this profile, then the shipped ones."""
    folders = [beside, *profile_folders(None)]
    files = [path for folder in reversed(folders) for path in sorted((folder / "operators").glob("*.yaml"))]
    return {path.stem: path for path in files}


def _read_operator_set(path: Path) -> tuple[str, ...]:
    return parse(load_document(path), OperatorSet).operators


def _profile(entry: ProfileFile, file: str, sets: Mapping[str, tuple[str, ...]]) -> ChipProfile:
    dram = entry.dram
    nominal = _sourced(entry, dram.interface.bandwidth()) if dram.interface else Quantity()
    given = _sourced(entry, dram.bandwidth_bytes_per_s)
    return ChipProfile(
        name=entry.name,
        title=entry.title,
        engines=tuple(_engine(entry, engine, sets) for engine in entry.engines),
        fallback=entry.fallback,
        dram=DramProfile(
            nominal if given.value is None else given,
            _sourced(entry, dram.size_bytes),
            nominal_bytes_per_s=nominal,
        ),
        on_chip=replace(entry.on_chip, size_bytes=_sourced(entry, entry.on_chip.size_bytes)),
        notes=entry.notes,
        file=file,
    )


def _engine(entry: ProfileFile, engine: EngineEntry, sets: Mapping[str, tuple[str, ...]]) -> EngineProfile:
    names = (op for name in engine.operators for op in sets.get(name, (name,)))
    return EngineProfile(
        engine.name,
        engine.kind,
        engine.count,
        {scheme: _sourced(entry, peak) for scheme, peak in engine.peak_ops_per_s.items()},
        tuple(dict.fromkeys(names)),
        _sourced(entry, engine.node_overhead_s),
        engine.fuses,
    )


def _sourced(entry: ProfileFile, quantity: Quantity) -> Quantity:
    return replace(quantity, source=entry.sources.get(quantity.source, quantity.source))


def _naming_faults(document: Document, entry: ProfileFile, shared: Iterable[str]) -> Iterator[Fault]:
    sets = {"*", *entry.operator_sets, *shared}
    if entry.name != document.path.stem:
        yield located(
            document, ("name",), f"{entry.name!r} is not the file's name", f"use {document.path.stem!r}"
        )
    names = [engine.name for engine in entry.engines]
    if not names:
        yield located(document, ("engines",), "a chip needs at least one engine")
    if entry.fallback not in names:
        yield located(
            document, ("fallback",), f"no engine {entry.fallback!r}{did_you_mean(entry.fallback, names)}"
        )
    for index, engine in enumerate(entry.engines):
        loc: Location = ("engines", index)
        if engine.name in names[:index]:
            yield located(
                document, (*loc, "name"), f"{engine.name!r} stands twice", "give each engine its own name"
            )
        if engine.count < 1:
            yield located(document, (*loc, "count"), f"a count is at least 1, not {engine.count}")
        if not engine.peak_ops_per_s:
            yield located(
                document, (*loc, "peak_ops_per_s"), "name at least one scheme (its value may be blank)"
            )
        for at, name in enumerate(engine.operators):
            if name not in sets:
                what = f"no operator set {name!r}{did_you_mean(name, sets)}"
                yield located(document, (*loc, "operators", at), what)
    for name, operators in entry.operator_sets.items():
        yield from _source_faults(document, entry, ("operator_sets", name), operators.source)


def _number_faults(document: Document, entry: ProfileFile) -> Iterator[Fault]:
    for loc, quantity, (low, high) in _quantities(entry):
        if quantity.value is None:
            continue
        yield from _source_faults(document, entry, loc, quantity.source)
        at = (*loc, "value")
        if quantity.value <= 0:
            yield located(
                document, at, f"must be more than zero, not {quantity.value:g}", "leave it blank if unknown"
            )
        elif not low / OUTSIDE_FACTOR <= quantity.value <= high * OUTSIDE_FACTOR:
            what = f"{quantity.value:g} is impossible; such chips have {low:g} to {high:g}"
            yield located(document, at, what, f"the unit is in the key: {loc[-1]}")
    if bus := entry.dram.interface:
        for name, given in (
            ("transfers_per_s", bus.transfers_per_s),
            ("bus_bytes", bus.bus_bytes),
            ("channels", bus.channels),
        ):
            if given <= 0:
                yield located(document, ("dram", "interface", name), f"must be more than zero, not {given:g}")
    alignment, banks = entry.on_chip.alignment_bytes, entry.on_chip.bank_count
    if alignment < 1 or alignment & (alignment - 1):
        yield located(document, ("on_chip", "alignment_bytes"), f"must be a power of two, not {alignment}")
    if banks is not None and banks < 1:
        yield located(document, ("on_chip", "bank_count"), f"must be at least 1, not {banks}")


def _source_faults(document: Document, entry: ProfileFile, loc: Location, source: str) -> Iterator[Fault]:
    if not source:
        fix = "add `source: KEY` and that key under `sources`"
        yield located(document, loc, "a number or list without a source", fix)
    elif source not in entry.sources:
        yield located(
            document, (*loc, "source"), f"no source {source!r}{did_you_mean(source, entry.sources)}"
        )


def _quantities(entry: ProfileFile) -> Iterator[tuple[Location, Quantity, tuple[float, float]]]:
    for index, engine in enumerate(entry.engines):
        for scheme, peak in engine.peak_ops_per_s.items():
            yield ("engines", index, "peak_ops_per_s", scheme), peak, PEAK_RANGE[engine.kind]
        yield ("engines", index, "node_overhead_s"), engine.node_overhead_s, OVERHEAD_RANGE
    yield ("dram", "bandwidth_bytes_per_s"), entry.dram.bandwidth_bytes_per_s, BANDWIDTH_RANGE
    if entry.dram.interface:
        yield ("dram", "interface"), entry.dram.interface.bandwidth(), BANDWIDTH_RANGE
    yield ("dram", "size_bytes"), entry.dram.size_bytes, DRAM_SIZE_RANGE
    yield ("on_chip", "size_bytes"), entry.on_chip.size_bytes, ON_CHIP_SIZE_RANGE
