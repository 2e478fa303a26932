"""Predict published latencies of networks that a fit did not see, chip by chip.

    DEPLOYKIT_GOLDEN=... python -m benchmarks.latency_prediction [CHIP ...]

Each network is predicted from the others of its chip (from forty on, in ten folds), and from those of other
families; whatever the fit chooses, it chooses inside of each. Beside stand the data sheet's roofline and the
share of networks inside the 90 % interval that the others give. `no transformers` leaves out transformers and
hybrids of them (`published_latency.TRANSFORMERS`). Chips whose error is above `chip_fit.PASSES` are named as
outside of the model. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy

from benchmarks.published_latency import (
    BOARDS,
    Board,
    is_transformer,
    measurements_of,
    published_table,
    read_rows,
)
from deploykit.analysis.blanks import fill_blanks
from deploykit.analysis.calibration.chip_fit import ChipFit, Measured, fit_chip
from deploykit.analysis.calibration.held_out import errors
from deploykit.analysis.calibration.measurements import Measurement
from deploykit.analysis.time_model import Floats
from deploykit.artifacts.layer_table import LayerRow
from deploykit.core.profile import load_profile
from deploykit.stages.fit_profile import FEWEST, measured_networks, prior_of, spec_bandwidth
from deploykit.stages.fit_profile.networks import layers_of

Rows = list[tuple[Measurement, tuple[LayerRow, ...]]]


def main() -> int:
    """Print a table of all chips, then every network of each."""
    table = published_table()
    if table is None:
        print("no measurements: set DEPLOYKIT_GOLDEN to the folder that holds them", file=sys.stderr)
        return 2
    rows, wanted, results = read_rows(table), sys.argv[1:], []
    for board in BOARDS:
        if not wanted or board.profile in wanted:
            results += _results(board, rows)
    print(json.dumps({"benchmark": "latency_prediction", "chips": results}))
    return 0


def _results(board: Board, rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    measurements, _ = measurements_of(board, rows)
    layers = layers_of(measurements)
    known: Rows = list(zip(measurements, layers, strict=True))
    plain = [item for item in known if not is_transformer(item[0].model)]
    choices = [("", known)]
    if FEWEST <= len(plain) < len(known):
        choices.append(("no transformers", plain))
    if len(known) < FEWEST:
        print(f"\n{board.profile} {board.scheme}: {len(known)} networks with a layer table; too few")
        return []
    typical = fill_blanks(load_profile(board.profile)[0], at="typical").profile
    if typical.engines[0].peak_of(board.scheme).value is None:
        print(f"\n{board.profile} {board.scheme}: the profile knows no peak")
        return []
    return [_result(board, note, items) for note, items in choices]


def _result(board: Board, note: str, items: Rows) -> dict[str, Any]:
    profile, _ = load_profile(board.profile)
    engine = profile.engines[0]
    measured = measured_networks([item for item, _ in items], [layers for _, layers in items], board.scheme)
    prior = prior_of(profile, engine, board.scheme)
    fit = fit_chip(measured, prior, spec_bandwidth=spec_bandwidth(profile))
    figures = _figures(fit, measured)
    title = f"{board.profile} {board.scheme}{', ' + note if note else ''}"
    print(f"\n{title}: {len(items)} networks" + ("" if fit.passes else "; OUTSIDE of the model"))
    for held in fit.held_out:
        error = f"{held.mean_error:6.1%} mean {held.median_error:6.1%} median"
        print(f"  {held.method:<22}{error}; data sheet's roofline {held.spec_mean_error:.0%}")
    shares = " ".join(f"{name} {value:.3g}" for name, value in figures.items())
    print(f"  {shares}")
    if not note:
        for network in fit.networks:
            times = f"{network.measured_s * 1e3:9.3f} ms {network.predicted_s * 1e3:9.3f} ms"
            print(f"    {network.name:<42}{times} {network.error:+7.1%} outside {network.outside:4.0%}")
    held_out = {
        held.method: [round(held.mean_error, 4), round(held.median_error, 4)] for held in fit.held_out
    }
    return {
        "chip": board.profile,
        "scheme": board.scheme,
        "networks": len(items),
        "note": note,
        "passes": fit.passes,
        "mean_and_median_error": held_out,
        "spec_mean_error": round(fit.held_out[0].spec_mean_error, 4),
        **figures,
    }


def _figures(fit: ChipFit, measured: Measured) -> dict[str, float]:
    """Give the shares within 10 and 20 %, the largest error, the ranks' correlation, the share inside."""
    predicted = numpy.array([network.predicted_s for network in fit.networks])
    off = numpy.abs(errors(predicted, measured.latency_s))
    return {
        "within_10": round(float((off <= 0.1).mean()), 3),
        "within_20": round(float((off <= 0.2).mean()), 3),
        "largest_error": round(float(off.max()), 3),
        "spearman": round(_spearman(predicted, measured.latency_s), 4),
        "inside_90": round(fit.inside, 3),
    }


def _spearman(first: Floats, second: Floats) -> float:
    """Give the correlation of ranks; latencies have no ties worth a correction."""
    ranks: Sequence[Floats] = [
        numpy.argsort(numpy.argsort(values)).astype(float) for values in (first, second)
    ]
    return float(numpy.corrcoef(ranks[0], ranks[1])[0, 1])


if __name__ == "__main__":
    sys.exit(main())
