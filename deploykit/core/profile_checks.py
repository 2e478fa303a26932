"""What has to be true of a chip profile's names and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deploykit.core.chip_classes import CHIP_CLASSES
from deploykit.core.errors import Fault
from deploykit.core.names import did_you_mean
from deploykit.core.profile import Quantity
from deploykit.core.profile_form import EngineEntry, Kind, ProfileFile
from deploykit.core.yaml_file import Document, Location, located

PEAK_RANGE: dict[Kind, tuple[float, float]] = {
    "npu": (1e10, 1e15),
    "gpu": (1e11, 4e15),
    "dla": (1e11, 1e15),
    "dsp": (1e9, 1e14),
    "cpu": (1e8, 1e14),
}
"""Operations per second that engines of a kind have, from the smallest to the largest on the market."""

BANDWIDTH_RANGE = (1e8, 4e12)
DRAM_SIZE_RANGE = (1e7, 1e12)
ON_CHIP_SIZE_RANGE = (1e4, 1e9)
LAYOUT_RANGE = (1.0, 4096.0)
OPERANDS_RANGE = (1.0, 16.0)
OVERHEAD_RANGE = (1e-8, 1e-2)
ENERGY_PER_OP_RANGE = (1e-14, 1e-10)
ENERGY_PER_BYTE_RANGE = (1e-12, 1e-9)
VENDOR_RANGE = (1e9, 1e16)
POWER_RANGE = (1e-2, 1e3)
OUTSIDE_FACTOR = 100.0
"""A number this far outside its range is a mistake in the unit, such as GB where bytes are meant."""

Range = tuple[float, float]


def naming_faults(document: Document, entry: ProfileFile, shared: Iterable[str]) -> Iterator[Fault]:
    """Find names that mean nothing: of the file, engines, operator sets, classes, schemes."""
    sets = {"*", *entry.operator_sets, *shared}
    if entry.name != document.path.stem:
        fix = f"use {document.path.stem!r}"
        yield located(document, ("name",), f"{entry.name!r} is not the file's name", fix)
    if entry.chip_class and entry.chip_class not in CHIP_CLASSES:
        near = did_you_mean(entry.chip_class, CHIP_CLASSES)
        yield located(document, ("chip_class",), f"no class {entry.chip_class!r}{near}")
    names = [engine.name for engine in entry.engines]
    if not names:
        yield located(document, ("engines",), "a chip needs at least one engine")
    if entry.fallback not in names:
        what = f"no engine {entry.fallback!r}{did_you_mean(entry.fallback, names)}"
        yield located(document, ("fallback",), what)
    listed = [f"engines.{name}.{key}" for name in names for key in ("fuses", "free_views")]
    plain = {"on_chip.alignment_bytes", "on_chip.bank_count", *listed}
    for at, key in enumerate(entry.recalled):
        if key not in plain:
            what = f"{key!r} is no key without a source of its own{did_you_mean(key, plain)}"
            yield located(document, ("recalled", at), what)
    for index, engine in enumerate(entry.engines):
        loc: Location = ("engines", index)
        if engine.name in names[:index]:
            what = f"{engine.name!r} stands twice"
            yield located(document, (*loc, "name"), what, "give each engine its own name")
        yield from _engine_faults(document, loc, engine, sets)


def _engine_faults(
    document: Document, loc: Location, engine: EngineEntry, sets: Iterable[str]
) -> Iterator[Fault]:
    if engine.count < 1:
        yield located(document, (*loc, "count"), f"a count is at least 1, not {engine.count}")
    if not engine.peak_ops_per_s:
        what = "name at least one scheme (its value may be blank)"
        yield located(document, (*loc, "peak_ops_per_s"), what)
    for at, name in enumerate(engine.operators):
        if name not in sets:
            what = f"no operator set {name!r}{did_you_mean(name, sets)}"
            yield located(document, (*loc, "operators", at), what)
    seen: set[str] = set()
    for at, offer in enumerate(engine.schemes):
        here = (*loc, "schemes", at)
        if offer.scheme in seen:
            yield located(document, (*here, "scheme"), f"{offer.scheme!r} stands twice", "join the two")
        seen.add(offer.scheme)
        if offer.computes_as not in engine.peak_ops_per_s:
            near = did_you_mean(offer.computes_as, engine.peak_ops_per_s)
            fix = "it names the key of `peak_ops_per_s` whose speed the scheme has"
            yield located(document, (*here, "computes_as"), f"no peak {offer.computes_as!r}{near}", fix)
        for shared in offer.weights:
            if isinstance(shared, int) and shared < 2:
                yield located(document, (*here, "weights"), f"a block has at least 2 values, not {shared}")


def number_faults(document: Document, entry: ProfileFile) -> Iterator[Fault]:
    """Find numbers without a source, and numbers that no such chip has."""
    for loc, quantity, allowed in _quantities(entry):
        if quantity.value is None:
            continue
        yield from source_faults(document, entry, loc, quantity.source)
        yield from _value_faults(document, (*loc, "value"), quantity.value, allowed, unit=str(loc[-1]))
    for loc, value, allowed in _plain_numbers(entry):
        yield from _value_faults(document, loc, value, allowed, unit=str(loc[-1]))
    for loc, source in _other_sources(entry):
        yield from source_faults(document, entry, loc, source)
    yield from _memory_faults(document, entry)


def _value_faults(
    document: Document, loc: Location, value: float, allowed: Range, *, unit: str
) -> Iterator[Fault]:
    low, high = allowed
    if value <= 0:
        yield located(document, loc, f"must be more than zero, not {value:g}", "leave it blank if unknown")
    elif not low / OUTSIDE_FACTOR <= value <= high * OUTSIDE_FACTOR:
        what = f"{value:g} is impossible; such chips have {low:g} to {high:g}"
        yield located(document, loc, what, f"the unit is in the key: {unit}")


def source_faults(document: Document, entry: ProfileFile, loc: Location, source: str) -> Iterator[Fault]:
    """Say where a fact names no source, or one that the file doesn't have."""
    if not source:
        fix = "add `source: KEY` and that key under `sources`"
        yield located(document, loc, "a number or list without a source", fix)
    elif source not in entry.sources:
        what = f"no source {source!r}{did_you_mean(source, entry.sources)}"
        yield located(document, (*loc, "source"), what)


def _quantities(entry: ProfileFile) -> Iterator[tuple[Location, Quantity, Range]]:
    for index, engine in enumerate(entry.engines):
        here: Location = ("engines", index)
        for scheme, peak in engine.peak_ops_per_s.items():
            yield (*here, "peak_ops_per_s", scheme), peak, _peak_range(entry, engine)
        for scheme, energy in engine.energy_per_op_j.items():
            yield (*here, "energy_per_op_j", scheme), energy, ENERGY_PER_OP_RANGE
        yield (*here, "node_overhead_s"), engine.node_overhead_s, OVERHEAD_RANGE
    bandwidth = _bandwidth_range(entry)
    yield ("dram", "bandwidth_bytes_per_s"), entry.dram.bandwidth_bytes_per_s, bandwidth
    if entry.dram.interface:
        yield ("dram", "interface"), entry.dram.interface.bandwidth(), bandwidth
    yield ("dram", "size_bytes"), entry.dram.size_bytes, DRAM_SIZE_RANGE
    yield ("dram", "energy_per_byte_j"), entry.dram.energy_per_byte_j, ENERGY_PER_BYTE_RANGE
    yield ("on_chip", "size_bytes"), entry.on_chip.size_bytes, ON_CHIP_SIZE_RANGE
    yield ("on_chip", "channel_block_bytes"), entry.on_chip.channel_block_bytes, LAYOUT_RANGE
    yield ("on_chip", "row_pitch_bytes"), entry.on_chip.row_pitch_bytes, LAYOUT_RANGE
    yield ("on_chip", "operands_per_bank"), entry.on_chip.operands_per_bank, OPERANDS_RANGE


def _peak_range(entry: ProfileFile, engine: EngineEntry) -> Range:
    found = CHIP_CLASSES.get(entry.chip_class)
    if found is None:
        return PEAK_RANGE[engine.kind]
    span = found.cpu_ops_per_s if engine.kind == "cpu" else found.accelerator_ops_per_s
    return span.low, span.high


def _bandwidth_range(entry: ProfileFile) -> Range:
    found = CHIP_CLASSES.get(entry.chip_class)
    if found is None:
        return BANDWIDTH_RANGE
    return found.bandwidth_bytes_per_s.low, found.bandwidth_bytes_per_s.high


def _plain_numbers(entry: ProfileFile) -> Iterator[tuple[Location, float, Range]]:
    for at, figure in enumerate(entry.vendor_figures):
        yield ("vendor_figures", at, "ops_per_s"), figure.ops_per_s, VENDOR_RANGE
    for at, mode in enumerate(entry.power):
        yield ("power", at, "power_w"), mode.power_w, POWER_RANGE
    for at, price in enumerate(entry.prices):
        yield ("prices", at, "unit_price"), price.unit_price, (1e-2, 1e6)
        yield ("prices", at, "quantity"), float(price.quantity), (1.0, 1e9)


def _other_sources(entry: ProfileFile) -> Iterator[tuple[Location, str]]:
    for name, operators in entry.operator_sets.items():
        yield ("operator_sets", name), operators.source
    for index, engine in enumerate(entry.engines):
        for at, offer in enumerate(engine.schemes):
            yield ("engines", index, "schemes", at), offer.source
    facts = {
        "vendor_figures": [fact.source for fact in entry.vendor_figures],
        "other_engines": [fact.source for fact in entry.other_engines],
        "power": [fact.source for fact in entry.power],
        "prices": [fact.source for fact in entry.prices],
    }
    for key, sources in facts.items():
        for at, source in enumerate(sources):
            yield (key, at), source
    bus = entry.dram.interface
    if bus and bus.transfers_per_s is None:
        yield ("dram", "interface"), bus.source


def _memory_faults(document: Document, entry: ProfileFile) -> Iterator[Fault]:
    if bus := entry.dram.interface:
        rates = () if bus.transfers_per_s is None else (("transfers_per_s", bus.transfers_per_s),)
        for name, given in (*rates, ("bus_bytes", bus.bus_bytes), ("channels", bus.channels)):
            if given <= 0:
                yield located(document, ("dram", "interface", name), f"must be more than zero, not {given:g}")
        if not rates and not bus.memory:
            fix = "give transfers_per_s, or `memory` for the range of its rates"
            yield located(document, ("dram", "interface"), "a bus without a rate", fix)
    alignment, banks = entry.on_chip.alignment_bytes, entry.on_chip.bank_count
    if alignment < 1 or alignment & (alignment - 1):
        yield located(document, ("on_chip", "alignment_bytes"), f"must be a power of two, not {alignment}")
    if banks is not None and banks < 1:
        yield located(document, ("on_chip", "bank_count"), f"must be at least 1, not {banks}")
    whole = ("channel_block_bytes", "row_pitch_bytes", "operands_per_bank")
    for key in whole:
        value = getattr(entry.on_chip, key).value
        if value is not None and value > 0 and value != int(value):
            yield located(document, ("on_chip", key, "value"), f"is a whole number, not {value:g}")
