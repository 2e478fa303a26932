"""Chip profiles as text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TypeAlias

from deploykit.core.calibration import Calibration
from deploykit.core.chip_classes import CHIP_CLASSES
from deploykit.core.profile import ChipProfile, EngineProfile, Quantity, SchemeOffer

Line: TypeAlias = tuple[str, str]
"""Text that ends in an open "[status", and the source that closes it; no bracket where that is empty."""

WIDTH = 100
_SHORT = {"peak_ops_per_s": "peak", "bandwidth_bytes_per_s": "bandwidth"}


def list_line(profile: ChipProfile) -> str:
    """Give a chip's line in the list: name, class, title, and what is blank."""
    blank = ", ".join(_SHORT[key.rpartition(".")[2]] for key in profile.missing)
    state = f"blank: {blank}" if blank else "complete"
    line = f"{profile.name:<12} {profile.chip_class or '-':<15} {profile.title:<40} {state}"
    return textwrap.shorten(line, WIDTH, placeholder="...") if len(line) > WIDTH else line


def profile_lines(profile: ChipProfile) -> Iterator[str]:
    """Give every number of a profile with its status and the number of its source; the sources follow."""
    numbers: dict[str, int] = {}
    for text, source in _lines(profile):
        closing = f" {numbers.setdefault(source, len(numbers) + 1)}]" if source else ""
        yield from _wrapped(f"{text}{closing}")
    if numbers:
        yield "  sources"
    for source, number in numbers.items():
        yield from _wrapped(f"    {number:>2} {source}")


def _wrapped(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _lines(profile: ChipProfile) -> Iterator[Line]:
    yield from ((line, "") for line in _state_lines(profile))
    for engine in profile.engines:
        yield from _engine_lines(profile, engine)
    for other in profile.other_engines:
        yield f"  {other.name}: runs no network; {other.what}  [{other.status}", other.source
    yield "  memory", ""
    bandwidth, nominal = profile.dram.bandwidth_bytes_per_s, profile.dram.nominal_bytes_per_s
    yield _line("DRAM bandwidth", bandwidth, 1e9, "GB/s")
    if nominal.value is not None and nominal.value != bandwidth.value:
        yield _line("DRAM nominal", nominal, 1e9, "GB/s")
    yield _line("DRAM size", profile.dram.size_bytes, 1e9, "GB")
    yield _line("on-chip size", profile.on_chip.size_bytes, 1e3, "KB")
    for item in profile.calibration:
        yield from _calibration_lines(item)
    yield from _vendor_lines(profile)
    if profile.recalled:
        yield f"  general knowledge that nobody looked up: {', '.join(profile.recalled)}", ""
    yield from ((f"  {note}", "") for note in profile.notes)


def _calibration_lines(item: Calibration) -> Iterator[Line]:
    """Give the fitted rates of an engine at a scheme, and how they did on networks left out."""
    rates, source = item.rates, item.source
    yield f"  calibration {item.engine} {item.scheme}  [fitted", source
    for held in item.held_out:
        spec = f"the data sheet's roofline {100 * held.spec_mean_error:.0f} %"
        yield f"    {held.method}, {held.networks} networks: error {100 * held.mean_error:.1f} %; {spec}", ""
    shares = ", ".join(f"{name} {share:.2g}" for name, share in rates.efficiency.items())
    yield f"    share of {item.peak_ops_per_s / 1e12:.3g} T operations/s: {shares}", ""
    speeds = ", ".join(f"{name} {speed / 1e9:.3g}" for name, speed in rates.vector_bytes_per_s.items())
    yield f"    GB/s of layers without MACs: {speeds}", ""
    memory = f"{rates.bandwidth_bytes_per_s / 1e9:.3g} GB/s, {rates.resident_bytes / 1e3:.4g} KB stay on chip"
    overhead = f"{rates.layer_overhead_s * 1e6:.3g} us a layer, {rates.network_overhead_s * 1e6:.3g} us a run"
    yield f"    {memory}; {overhead}", ""


def _state_lines(profile: ChipProfile) -> Iterator[str]:
    found = CHIP_CLASSES.get(profile.chip_class)
    if found is not None:
        yield f"  class {profile.chip_class}: {found.title}"
    if not profile.missing:
        yield "  complete: predictions on the first engine need no blank"
        return
    known = found is not None or profile.dram.bounds is not None
    rest = "predictions give an interval" if known else "predictions stop, for want of a chip_class"
    yield f"  blank: {', '.join(profile.missing)}; {rest}"


def _engine_lines(profile: ChipProfile, engine: EngineProfile) -> Iterator[Line]:
    role = "main" if engine is profile.engines[0] else "fallback" if engine.name == profile.fallback else ""
    known = "every operator" if "*" in engine.operators else f"{len(engine.operators)} operators"
    yield f"  {engine.name} x {engine.count} ({engine.kind}{', ' + role if role else ''}): {known}", ""
    for scheme, peak in engine.peak_ops_per_s.items():
        yield _line(f"peak {scheme}", peak, 1e12, "T operations/s each")
    for offer in engine.schemes:
        yield _offer_line(offer)
    yield _line("node overhead", engine.node_overhead_s, 1e-6, "us")
    for scheme, energy in engine.energy_per_op_j.items():
        yield _line(f"energy {scheme}", energy, 1e-12, "pJ an operation")


def _offer_line(offer: SchemeOffer) -> Line:
    parts = [] if offer.scheme == offer.computes_as else [f"computes as {offer.computes_as}"]
    if offer.weights:
        parts.append(f"a scale for {' or '.join(map(_shared, offer.weights))}")
    parts += [offer.limits] if offer.limits else []
    return f"    scheme {offer.scheme:<9} {'; '.join(parts) or 'offered'}  [{offer.status}", offer.source


def _shared(granularity: str | int) -> str:
    return f"{granularity} weights" if isinstance(granularity, int) else f"a {granularity}"


def _vendor_lines(profile: ChipProfile) -> Iterator[Line]:
    if profile.vendor_figures or profile.power or profile.prices:
        yield "  as quoted; no prediction uses it", ""
    for figure in profile.vendor_figures:
        sums = " + ".join(figure.sums)
        sparsity = "sparsity not said" if figure.sparsity == "not said" else figure.sparsity
        what = f"{figure.ops_per_s / 1e12:g} T operations/s {figure.arithmetic}, {sparsity}: {sums}"
        yield f"    {what}  [{figure.status}", figure.source
    for mode in profile.power:
        yield f"    {mode.power_w:g} W: {mode.mode}  [{mode.status}", mode.source
    for price in profile.prices:
        each = f"{price.unit_price:g} {price.currency} a {price.item}, {price.quantity} ordered"
        yield f"    {each}  [{price.status}", price.source


def _line(name: str, quantity: Quantity, unit: float, unit_name: str) -> Line:
    if quantity.value is None:
        return f"    {name:<16} unknown", ""
    return f"    {name:<16} {quantity.value / unit:g} {unit_name}  [{quantity.status}", quantity.source
