"""Write the section `calibration` of shipped profiles from published latencies.

    DEPLOYKIT_GOLDEN=... python -m tools.fit_profiles [CHIP ...]

A chip gets one where at least eight networks with layer tables are published for it and the fit passes
(`chip_fit.PASSES`); the others are named with their error. On the RDK X5 transformers stay out: what they
take there follows other rates than what convolutional networks take, and neither would be met.
"""

from __future__ import annotations

import sys

from benchmarks.published_latency import (
    BOARDS,
    Board,
    is_transformer,
    measurements_of,
    published_table,
    read_rows,
)
from deploykit.core.errors import InputError
from deploykit.core.profile import load_profile
from deploykit.stages.fit_profile import fit_profile
from deploykit.stages.fit_profile.networks import layers_of
from deploykit.stages.fit_profile.section import write_calibration

FEWEST = 8
WITHOUT_TRANSFORMERS = ("rdk-x5",)


def main() -> int:
    """Fit each chip that is asked for, or all."""
    table = published_table()
    if table is None:
        print("no measurements: set DEPLOYKIT_GOLDEN to the folder that holds them", file=sys.stderr)
        return 2
    rows = read_rows(table)
    for board in BOARDS:
        if board.profile in sys.argv[1:] or not sys.argv[1:]:
            print(f"{board.profile} {board.scheme}: {_fit(board, rows)}")
    return 0


def _fit(board: Board, rows: list[dict[str, str]]) -> str:
    measurements, source = measurements_of(board, rows)
    if board.profile in WITHOUT_TRANSFORMERS:
        measurements = [item for item in measurements if not is_transformer(item.model)]
    if len(measurements) < FEWEST:
        return f"{len(measurements)} networks with a layer table; too few"
    profile, path = load_profile(board.profile)
    try:
        (result,) = fit_profile(profile, measurements, layers_of(measurements), source=source)
    except InputError as error:
        return str(error)
    held = result.fit.held_out[0]
    words = f"{len(measurements)} networks, {held.method} error {held.mean_error:.1%}"
    if not result.fit.passes:
        return f"{words}, {held.median_error:.0%} median; outside of the model"
    write_calibration(path, path, profile, [result.calibration])
    return f"{words}; written: {path}"


if __name__ == "__main__":
    sys.exit(main())
