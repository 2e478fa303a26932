"""Find the rates under which the time model meets measured latencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy

from deploykit.analysis.calibration.prior import CAP_WIDTH, Prior, unpack
from deploykit.analysis.time_model import CLASSES, MAC_CLASSES, Floats, LayerColumns, layer_times
from deploykit.core.calibration import Rates

NOISE = 0.1
"""Error of the logarithm of a latency that is taken for granted; larger ones count by their size, not its
square."""

STEPS = 40
SETTLED = 1e-4


REREAD_GAIN = 1.0
"""By how much the objective has to fall for tiles that are read again: the error of one network by ten points
of its latency. Less may be chance, and the plain rule stays."""


class OnChip(NamedTuple):
    """What a fit is tried with: bytes that stay on the chip, and whether tiles are read again."""

    resident_bytes: float
    rereads_tiles: bool


@dataclass(frozen=True)
class Fit:
    """Rates, and what is left of the objective (half the sum of robust squares, priors included)."""

    rates: Rates
    objective: float


@dataclass(frozen=True)
class _State:
    """Where the search stands: residuals of measurements and priors, and the derivatives of the former."""

    logs: Floats
    errors: Floats
    slopes: Floats
    objective: float


def fit_rates(table: LayerColumns, latency_s: Floats, prior: Prior) -> Fit:
    """Minimise the soft-L1 error of log latencies and the priors, over every on-chip size that the prior
    has, and with tiles that are read again where the measurements ask for it (`REREAD_GAIN`).

    The method is Levenberg and Marquardt's, with the weights of the robust loss taken anew at every step.
    """
    plain, tiled = (
        min(
            (_fit_at(table, latency_s, prior, OnChip(size, rereads)) for size in prior.resident_bytes),
            key=lambda fit: fit.objective,
        )
        for rereads in (False, True)
    )
    return tiled if tiled.objective < plain.objective - REREAD_GAIN else plain


def _fit_at(table: LayerColumns, latency_s: Floats, prior: Prior, memory: OnChip) -> Fit:
    target = numpy.log(latency_s)
    state = _evaluate(prior.centre, table, target, prior, memory)
    damping = 1e-2
    for _ in range(STEPS):
        step = _step(state, prior, damping)
        tried = _evaluate(state.logs + step, table, target, prior, memory)
        if tried.objective > state.objective:
            damping *= 5
            if damping > 1e6:
                break
            continue
        gain = state.objective - tried.objective
        state, damping = tried, max(damping / 3, 1e-6)
        if gain < SETTLED * max(state.objective, 1.0):
            break
    return Fit(unpack(state.logs, *memory), state.objective)


def _step(state: _State, prior: Prior, damping: float) -> Floats:
    weights = 1 / numpy.sqrt(1 + (state.errors / NOISE) ** 2) / NOISE**2
    pull, stiffness = _prior_terms(state.logs, prior)
    gradient = state.slopes.T @ (weights * state.errors) + pull
    curvature = (state.slopes.T * weights) @ state.slopes + numpy.diag(stiffness)
    damped = curvature + damping * numpy.diag(numpy.diag(curvature))
    step: Floats = -numpy.linalg.solve(damped, gradient).astype(numpy.float64)
    return numpy.clip(step, -1.0, 1.0)


def _prior_terms(logs: Floats, prior: Prior) -> tuple[Floats, Floats]:
    """Give gradient and curvature of the priors, the cap on efficiencies included."""
    stiffness = 1 / prior.width**2
    pull = (logs - prior.centre) * stiffness
    above = numpy.zeros_like(logs)
    above[: len(MAC_CLASSES)] = numpy.maximum(logs[: len(MAC_CLASSES)], 0.0)
    return pull + above / CAP_WIDTH**2, stiffness + (above > 0) / CAP_WIDTH**2


def _evaluate(logs: Floats, table: LayerColumns, target: Floats, prior: Prior, memory: OnChip) -> _State:
    times = layer_times(table, unpack(logs, *memory), peak_ops_per_s=prior.peak_ops_per_s)
    fixed_s = float(numpy.exp(logs[-1])) * table.fixed
    totals = table.sums(times.total_s) + fixed_s
    errors = numpy.log(totals) - target
    slopes = numpy.zeros((table.networks, logs.size))
    rate_class = table.rate_class
    works = times.work_s >= times.memory_s
    for index in range(len(CLASSES)):
        column = index + (index >= len(MAC_CLASSES))  # the bandwidth stands between the two groups
        slopes[:, column] = -table.sums(times.work_s * (works & (rate_class == index)))
    slopes[:, len(MAC_CLASSES)] = -table.sums(times.memory_s * ~works)
    slopes[:, CLASSES.index("special") + 1] -= table.sums(times.special_s)
    slopes[:, -2] = table.sums(numpy.full_like(times.work_s, numpy.exp(logs[-2])))
    slopes[:, -1] = fixed_s
    slopes /= totals[:, None]
    robust = numpy.sqrt(1 + (errors / NOISE) ** 2) - 1
    above = numpy.maximum(logs[: len(MAC_CLASSES)], 0.0) / CAP_WIDTH
    priors = ((logs - prior.centre) / prior.width) ** 2
    objective = float(robust.sum() + 0.5 * priors.sum() + 0.5 * (above**2).sum())
    return _State(logs, errors, slopes, objective)
