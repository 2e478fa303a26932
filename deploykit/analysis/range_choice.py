"""Which part of a histogram a range of codes should cover."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

SHARES = numpy.linspace(0.02, 1.0, 50)
"""Shares of each end of the range that are tried."""

STEPS = 255
"""Steps between the codes of 8 bits."""

KL_STARTS, KL_CODES = 128, 128
"""Where the search of the smallest divergence starts, in bins; how many codes a magnitude has."""


def least_error_range(centres: Array, counts: Array, low: float, high: float) -> tuple[float, float]:
    """Give the range with the least squared error: what saturates, plus a step's square / 12 for the rest.

    Both ends move by themselves, twice in turn.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    best = (low, high)
    for _ in range(2):
        best = min(
            ((low * share, best[1]) for share in SHARES), key=lambda ends: _error(centres, counts, *ends)
        )
        best = min(
            ((best[0], high * share) for share in SHARES), key=lambda ends: _error(centres, counts, *ends)
        )
    return best


def _error(centres: Array, counts: Array, low: float, high: float) -> float:
    beyond = numpy.maximum(low - centres, 0.0) + numpy.maximum(centres - high, 0.0)
    inside = counts[beyond == 0].sum()
    return float((counts * beyond**2).sum() + inside * ((high - low) / STEPS) ** 2 / 12)


def least_divergence_limit(magnitudes: Array, most: float) -> float:
    """Give the magnitude to clip at with the least Kullback-Leibler divergence of the coded distribution.

    `magnitudes` counts values by magnitude in equal bins from 0 to `most`. Migacz 2017, "8-bit inference with
    TensorRT".
    """
    best, least = len(magnitudes), numpy.inf
    used = int(numpy.max(numpy.nonzero(magnitudes)[0], initial=0)) + 1
    for end in range(min(KL_STARTS, used), used + 1, max(1, used // 256)):
        wanted = magnitudes[:end].astype(numpy.float64)
        coded = _coded(wanted)
        wanted[-1] += magnitudes[end:].sum()
        divergence = _divergence(wanted, coded)
        if divergence < least:
            best, least = end, divergence
    return most * best / len(magnitudes)


def _coded(counts: Array) -> Array:
    """Spread each code's count evenly over those of its bins that hold anything."""
    code = numpy.arange(len(counts)) * KL_CODES // len(counts)
    sums = numpy.bincount(code, counts, KL_CODES)
    filled = numpy.bincount(code, counts > 0, KL_CODES)
    return numpy.where(counts > 0, sums[code] / numpy.maximum(filled[code], 1), 0.0)


def _divergence(wanted: Array, coded: Array) -> float:
    if coded.sum() == 0:
        return float("inf")
    p, q = wanted / wanted.sum(), coded / coded.sum()
    seen = p > 0
    return float((p[seen] * numpy.log(p[seen] / numpy.maximum(q[seen], 1e-12))).sum())
