"""What has to be true of a profile's fitted rates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from deploykit.core.calibration import Calibration, DecodeRate, MacClass, VectorClass
from deploykit.core.errors import Fault
from deploykit.core.names import did_you_mean
from deploykit.core.yaml_file import Document, Location, located

REFIT = "let `deploykit profile fit` write this section"
MOST_EFFICIENCY = 3.0
"""Effective efficiencies may exceed 1 (a faster algorithm than direct convolution), but not by this."""


def calibration_faults(
    document: Document, items: Sequence[Calibration], schemes: Mapping[str, Sequence[str]]
) -> Iterator[Fault]:
    """Give what is wrong with the section `calibration`; `schemes` are those offered by engine."""
    for index, item in enumerate(items):
        loc: Location = ("calibration", index)
        if item.engine not in schemes:
            what = f"no engine {item.engine!r}{did_you_mean(item.engine, schemes)}"
            yield located(document, (*loc, "engine"), what)
        elif item.scheme not in schemes[item.engine]:
            near = did_you_mean(item.scheme, schemes[item.engine])
            yield located(document, (*loc, "scheme"), f"{item.engine} has no scheme {item.scheme!r}{near}")
        if any((other.engine, other.scheme) == (item.engine, item.scheme) for other in items[:index]):
            yield located(document, loc, f"{item.engine} at {item.scheme} is calibrated twice", "keep one")
        if not item.source.strip():
            yield located(
                document, (*loc, "source"), "names no measurements", "say which networks, from where"
            )
        yield from _rate_faults(document, loc, item)


def _rate_faults(document: Document, loc: Location, item: Calibration) -> Iterator[Fault]:
    rates, at = item.rates, (*loc, "rates")
    for key, given, known in (
        ("efficiency", rates.efficiency, get_args(MacClass)),
        ("vector_bytes_per_s", rates.vector_bytes_per_s, get_args(VectorClass)),
    ):
        if missing := [name for name in known if name not in given]:
            yield located(document, (*at, key), f"has no {', '.join(missing)}", REFIT)
    positive: dict[Location, float] = {
        (*loc, "peak_ops_per_s"): item.peak_ops_per_s,
        (*loc, "spread", "log_width"): item.spread.log_width,
        (*at, "bandwidth_bytes_per_s"): rates.bandwidth_bytes_per_s,
        (*at, "layer_overhead_s"): rates.layer_overhead_s,
        (*at, "network_overhead_s"): rates.network_overhead_s,
        **{(*at, "efficiency", name): value for name, value in rates.efficiency.items()},
        **{(*at, "vector_bytes_per_s", name): value for name, value in rates.vector_bytes_per_s.items()},
    }
    for place, value in positive.items():
        if not 0 < value < math.inf:
            yield located(document, place, f"must be more than zero, not {value:g}", REFIT)
    if rates.resident_bytes < 0:
        yield located(
            document, (*at, "resident_bytes"), f"is not negative, as {rates.resident_bytes:g} is", REFIT
        )
    for name, value in rates.efficiency.items():
        if value > MOST_EFFICIENCY:
            what = f"{value:g} is impossible: a share of the peak, at most {MOST_EFFICIENCY:g}"
            yield located(document, (*at, "efficiency", name), what, REFIT)


def decode_faults(document: Document, items: Sequence[DecodeRate]) -> Iterator[Fault]:
    """Give what is wrong with the section `decode_rates`."""
    for index, item in enumerate(items):
        loc: Location = ("decode_rates", index)
        for key in ("weight_bits", "activation_bits", "bandwidth_bytes_per_s", "models"):
            if not 0 < getattr(item, key) < math.inf:
                yield located(document, (*loc, key), f"must be more than zero, not {getattr(item, key):g}")
        for key in ("layer_s", "mean_error", "largest_error"):
            if not 0 <= getattr(item, key) < math.inf:
                yield located(document, (*loc, key), f"must not be negative, as {getattr(item, key):g} is")
        if not item.source.strip():
            yield located(document, (*loc, "source"), "names no measurements", "say which models, from where")
        same = [other for other in items[:index] if _bits(other) == _bits(item)]
        if same:
            yield located(document, loc, "has the bits of another entry", "keep one")


def _bits(item: DecodeRate) -> tuple[float, float]:
    return item.weight_bits, item.activation_bits
