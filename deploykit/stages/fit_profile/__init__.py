"""Fit a chip's time model to networks that were measured on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy

from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.calibration.chip_fit import ChipFit, Measured, fit_chip
from deploykit.analysis.calibration.layer_measurements import MeasuredLayer
from deploykit.analysis.calibration.measurements import Measurement
from deploykit.analysis.calibration.prior import Prior, prior_for
from deploykit.analysis.time_model import layer_columns, spec_times
from deploykit.analysis.traffic import ROLE_BITS
from deploykit.artifacts.layer_table import LayerRow
from deploykit.core.calibration import Calibration
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.profile import ChipProfile, EngineProfile

FEWEST = 4
"""Fewer networks say nothing about each other; six to eight are worth having."""

ODD_FACTOR = 30.0
"""A latency that is so many times off from the others of its file, against the roofline, has another unit."""

SLOWEST, FASTEST = 1000.0, 0.1
"""Measured over roofline's time, of the middle network of a file: outside of this the unit is another one."""


@dataclass(frozen=True)
class SchemeFit:
    """A fit at one precision, and the section that a profile keeps of it."""

    calibration: Calibration
    fit: ChipFit


def fit_profile(
    profile: ChipProfile,
    measurements: Sequence[Measurement],
    layers: Sequence[tuple[LayerRow, ...]],
    *,
    source: str,
    engine: str | None = None,
    alone: Sequence[MeasuredLayer] = (),
) -> tuple[SchemeFit, ...]:
    """Fit the engine that networks are meant for, or another one, at each precision that was measured.

    `layers` are those of the measured networks, in their order; `source` says what the measurements are.
    `alone` are layers that a profiler measured, at the precision of the first row; every fit sees them.

    Raises:
        InputError: unknown engines and schemes, latencies in another unit, too few networks.
    """
    chosen = _engine(profile, engine)
    schemes = dict.fromkeys(row.precision for row in measurements)
    faults = list(_scheme_faults(profile, chosen, measurements, schemes))
    if faults:
        raise InputError(*faults)
    groups = {
        scheme: [index for index, row in enumerate(measurements) if row.precision == scheme]
        for scheme in schemes
    }
    rooms = {
        scheme: measured_networks(
            [measurements[i] for i in group],
            [layers[i] for i in group],
            scheme,
            alone=alone if scheme == measurements[0].precision else (),
        )
        for scheme, group in groups.items()
    }
    for scheme, group in groups.items():
        rows = [measurements[index] for index in group]
        faults += _unit_faults(rows, rooms[scheme], prior_of(profile, chosen, scheme))
    if faults:
        raise InputError(*faults)
    return tuple(_fit(profile, chosen, scheme, measured, source) for scheme, measured in rooms.items())


def _fit(
    profile: ChipProfile, engine: EngineProfile, scheme: str, measured: Measured, source: str
) -> SchemeFit:
    prior = prior_of(profile, engine, scheme)
    fit = fit_chip(measured, prior, spec_bandwidth=spec_bandwidth(profile))
    alone = measured.latency_s.size - len(measured.names)
    said = f"{source}: {len(measured.names)} networks" + (f", {alone} layers" if alone else "")
    return SchemeFit(
        Calibration(engine.name, scheme, said, prior.peak_ops_per_s, fit.rates, fit.spread, fit.held_out), fit
    )


def spec_bandwidth(profile: ChipProfile) -> float | None:
    """Give the bandwidth of the data sheet's roofline; None where nobody says."""
    return fill_blanks(profile, at="typical").profile.dram.bandwidth_bytes_per_s.value


def prior_of(profile: ChipProfile, engine: EngineProfile, scheme: str) -> Prior:
    """Give the prior from what documents say: a fitted bandwidth may come from these very networks."""
    typical = fill_blanks(profile, at="typical").profile
    peak = typical.engine(engine.name).peak_of(scheme).value
    assert peak is not None
    bandwidth = profile.dram.bandwidth_bytes_per_s
    known = profile.dram.nominal_bytes_per_s if bandwidth.status == "fitted" else bandwidth
    return prior_for(peak, known.value)


def measured_networks(
    measurements: Sequence[Measurement],
    layers: Sequence[tuple[LayerRow, ...]],
    scheme: str,
    *,
    alone: Sequence[MeasuredLayer] = (),
) -> Measured:
    """Put networks that were measured at a scheme together, layers measured alone behind them."""
    bits = ROLE_BITS[scheme]
    columns = layer_columns(
        [*layers, *((layer.row,) for layer in alone)],
        weight_bits=bits["weight"],
        activation_bits=bits["activation"],
        alone=len(alone),
    )
    return Measured(
        tuple(row.name for row in measurements),
        tuple(row.family for row in measurements),
        columns,
        numpy.array([*(row.latency_s for row in measurements), *(layer.latency_s for layer in alone)]),
    )


def _engine(profile: ChipProfile, name: str | None) -> EngineProfile:
    if name is None:
        return profile.engines[0]
    names = [engine.name for engine in profile.engines]
    if name not in names:
        raise input_error("--engine", f"{profile.name} has no engine {name!r}{did_you_mean(name, names)}")
    return profile.engine(name)


def _scheme_faults(
    profile: ChipProfile, engine: EngineProfile, measurements: Sequence[Measurement], schemes: Iterable[str]
) -> Iterator[Fault]:
    typical = fill_blanks(profile, at="typical").profile.engine(engine.name)
    for scheme in schemes:
        rows = [row for row in measurements if row.precision == scheme]
        if typical.peak_of(scheme).value is None:
            known = ", ".join(engine.peak_ops_per_s)
            what = f"the profile has no peak of {engine.name} at {scheme}"
            fix = f"add engines.{engine.name}.peak_ops_per_s.{scheme}; it has {known}"
            yield Fault(rows[0].place, what, fix)
        if len(rows) < FEWEST:
            what = f"{len(rows)} networks at {scheme} are too few"
            yield Fault(
                rows[0].place, what, f"measure {FEWEST} at the least, better 6 to 8 of several designs"
            )


def _unit_faults(measurements: Sequence[Measurement], measured: Measured, prior: Prior) -> Iterator[Fault]:
    """Find latencies that can't be milliseconds, by the roofline's time without memory."""
    spec_s = spec_times(
        measured.columns, peak_ops_per_s=prior.peak_ops_per_s, bandwidth_bytes_per_s=numpy.inf
    )
    count = len(measurements)
    ratios = measured.latency_s[:count] / spec_s[:count]
    middle = float(numpy.median(ratios))
    if not FASTEST <= middle <= SLOWEST:
        place = measurements[0].place.rsplit(":", 1)[0]
        what = f"the middle network takes {middle:.3g} times what the chip's peak allows"
        yield Fault(place, what, "latency_ms is in milliseconds, and fps per second; or is it another chip?")
        return
    for row, ratio in zip(measurements, ratios, strict=True):
        if not middle / ODD_FACTOR <= ratio <= middle * ODD_FACTOR:
            off = f"{ratio / middle:.3g} times what the others make likely"
            yield Fault(
                row.place,
                f"{row.model} takes {row.latency_s * 1e3:.4g} ms, {off}",
                "is it in another unit? latency_ms is in milliseconds",
            )
