"""Chip profiles from their YAML files."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from deploykit.core.calibration_checks import calibration_faults, decode_faults
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.profile import (
    HOST,
    ChipProfile,
    DramProfile,
    EngineProfile,
    Quantity,
    SchemeOffer,
    profile_folders,
)
from deploykit.core.profile_checks import naming_faults, number_faults
from deploykit.core.profile_facts import OtherEngine, PowerMode, Price, VendorFigure
from deploykit.core.profile_form import EngineEntry, OperatorSet, ProfileFile
from deploykit.core.yaml_file import Document, Location, load_document, located, parse, value_faults

Sourced = TypeVar("Sourced", Quantity, SchemeOffer, VendorFigure, OtherEngine, PowerMode, Price)


def read_profile(path: Path) -> ChipProfile:
    """Read and check a profile file.

    Raises:
        InputError: all that is wrong with it, each fault with its line and column.
    """
    document = load_document(path)
    entry, faults = _entry(document)
    shared = _shared_operator_sets(path.parent)
    faults += [*naming_faults(document, entry, shared), *number_faults(document, entry)]
    schemes = {engine.name: tuple(engine.peak_ops_per_s) for engine in entry.engines}
    faults += calibration_faults(document, entry.calibration, schemes)
    faults += decode_faults(document, entry.decode_rates)
    if faults:
        raise InputError(*faults)
    own = {name: names.operators for name, names in entry.operator_sets.items()}
    used = {name for engine in entry.engines for name in engine.operators}
    named = {name: _read_operator_set(shared[name]) for name in used & shared.keys() - own.keys()}
    return _profile(entry, path.name, {**own, **named})


def _entry(document: Document) -> tuple[ProfileFile, list[Fault]]:
    """Parse what can be parsed, so that faults of form do not hide those of the numbers.

    Raises:
        InputError: the faults of form, where too little is left without the faulty keys.
    """
    faults = list(value_faults(ProfileFile, document.data))
    located_faults = [located(document, at, what) for at, what in faults]
    kept = copy.deepcopy(document.data)
    for at, _ in faults:
        _drop(kept, at)
    try:
        return parse(document, ProfileFile, data=kept), located_faults
    except InputError:
        raise InputError(*located_faults) from None


def _drop(data: Any, loc: Location) -> None:
    """Take a faulty key out of plain data: the last mapping's on the way to it."""
    *path, last = loc[:-1] if loc and loc[-1] == "[key]" else loc or ("",)
    for step in path:
        data = data[step]
    if isinstance(data, dict):
        data.pop(last, None)


def unknown_profile(name: str, known: tuple[str, ...]) -> InputError:
    """Make the error for a chip that no profile describes."""
    if name == HOST:
        return input_error(
            "chip", "this machine has not been measured", "run `deploykit profile measure-host` first"
        )
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
            energy_per_byte_j=_sourced(entry, dram.energy_per_byte_j),
            bounds=dram.interface.bounds() if dram.interface else None,
        ),
        on_chip=replace(
            entry.on_chip,
            size_bytes=_sourced(entry, entry.on_chip.size_bytes),
            channel_block_bytes=_sourced(entry, entry.on_chip.channel_block_bytes),
            row_pitch_bytes=_sourced(entry, entry.on_chip.row_pitch_bytes),
            operands_per_bank=_sourced(entry, entry.on_chip.operands_per_bank),
        ),
        notes=entry.notes,
        file=file,
        chip_class=entry.chip_class,
        recalled=entry.recalled,
        vendor_figures=_all_sourced(entry, entry.vendor_figures),
        other_engines=_all_sourced(entry, entry.other_engines),
        power=_all_sourced(entry, entry.power),
        prices=_all_sourced(entry, entry.prices),
        calibration=entry.calibration,
        decode_rates=entry.decode_rates,
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
        _all_sourced(entry, engine.schemes),
        {scheme: _sourced(entry, energy) for scheme, energy in engine.energy_per_op_j.items()},
        engine.free_views,
    )


def _sourced(entry: ProfileFile, fact: Sourced) -> Sourced:
    return replace(fact, source=entry.sources.get(fact.source, fact.source))


def _all_sourced(entry: ProfileFile, facts: tuple[Sourced, ...]) -> tuple[Sourced, ...]:
    return tuple(_sourced(entry, fact) for fact in facts)
