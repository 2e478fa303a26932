"""The text of `deploykit profile fit`: a table of held-out predictions, 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from deploykit.reports import units

if TYPE_CHECKING:
    from deploykit.analysis.calibration.chip_fit import FittedNetwork
    from deploykit.stages.fit_profile import SchemeFit

WIDTH = 100
NAME_WIDTH = 38
OUTSIDE_SHARE = 0.1
"""A network with more of its time outside of what the others have is named."""


def fit_lines(result: SchemeFit) -> Iterator[str]:
    """Say how the fit predicts each network from the others, beside the data sheet's roofline."""
    item, fit = result.calibration, result.fit
    yield f"{item.engine} at {item.scheme}: {len(fit.networks)} networks"
    for held in fit.held_out:
        error = f"{100 * held.mean_error:.1f} % mean, {100 * held.median_error:.1f} % median"
        spec = f"the data sheet's roofline {100 * held.spec_mean_error:.0f} %"
        yield f"  {held.method:<22} error {error}; {spec}"
    yield f"  {100 * fit.inside:.0f} % of the networks lie in the 90 % interval that the others give"
    yield ""
    numbers = f"{'measured':>10}{'predicted':>10}{'error':>7}{'90 % interval':>20}{'roofline':>11}"
    yield f"  {'network':<{NAME_WIDTH}}{numbers}"
    for network in fit.networks:
        yield _row(network)
    yield from _remarks(result)


def _row(network: FittedNetwork) -> str:
    name = units.shortened(units.printable(network.name), NAME_WIDTH - 2)
    spread = f"{units.duration(network.low_s)} to {units.duration(network.high_s)}"
    cells = f"{units.duration(network.measured_s):>10}{units.duration(network.predicted_s):>10}"
    error, spec = (
        f"{100 * part:+.0f} %" for part in (network.error, network.spec_s / network.measured_s - 1)
    )
    return f"  {name:<{NAME_WIDTH}}{cells}{error:>7}{spread:>20}{spec:>11}"


def _remarks(result: SchemeFit) -> Iterator[str]:
    for remark in _sentences(result):
        yield ""
        yield from textwrap.wrap(remark, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _sentences(result: SchemeFit) -> Iterator[str]:
    fit = result.fit
    if not fit.passes:
        half = f"half of the networks are off by more than {100 * fit.held_out[0].median_error:.0f} %"
        why = "Is it a dataflow chip, or do the networks run on several engines?"
        yield f"The model does not describe this chip: {half}. {why}"
    aside = [network.name for network in fit.networks if network.aside]
    if aside:
        why = "Do parts of them run on the CPU, or is it another variant of the network?"
        yield f"Not like the others, even when the fit has seen them: {', '.join(aside)}. {why}"
    alone = [network for network in fit.networks if network.outside > OUTSIDE_SHARE]
    if alone:
        names = ", ".join(f"{network.name} ({100 * network.outside:.0f} %)" for network in alone)
        yield f"Time of kinds that the others have too little of, so a wider interval: {names}."
