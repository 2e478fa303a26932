"""A layer's inputs in the float network and in the quantized one, and the weights that suit the latter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

DAMPING = 0.01
"""Share of the mean diagonal that is added to the products of inputs, as in GPTQ."""

SCARCE = 0.1
"""Its factor before columns / samples: few samples say little of how inputs go together."""


TRIED = (0.01, 0.1, 1.0, 10.0)
"""Shares of the mean diagonal that are tried where two halves of the data can judge each other."""


@dataclass
class PairedInputs:
    """Sums over sampled positions of a layer's inputs; `now` in the quantized network, `wanted` in float.

    `gram` [groups, columns, columns] sums now x now^T, `cross` wanted x now^T; totals [groups, columns].
    """

    gram: Array
    cross: Array
    now: Array
    wanted: Array
    samples: int = 0

    @classmethod
    def nothing(cls, groups: int, columns: int) -> PairedInputs:
        """Give sums of no positions."""
        square, line = (groups, columns, columns), (groups, columns)
        return cls(
            numpy.zeros(square, numpy.float32),
            numpy.zeros(square, numpy.float32),
            numpy.zeros(line),
            numpy.zeros(line),
        )

    def add(self, now: Array, wanted: Array) -> None:
        """Add the same positions [groups, positions, columns] of both."""
        self.gram += numpy.swapaxes(now, 1, 2) @ now
        self.cross += numpy.swapaxes(wanted, 1, 2) @ now
        self.now += now.sum(axis=1, dtype=numpy.float64)
        self.wanted += wanted.sum(axis=1, dtype=numpy.float64)
        self.samples += now.shape[1]

    def joined(self, other: PairedInputs) -> PairedInputs:
        """Give the sums over both."""
        return PairedInputs(
            self.gram + other.gram,
            self.cross + other.cross,
            self.now + other.now,
            self.wanted + other.wanted,
            self.samples + other.samples,
        )

    def suited(self, weights: Array, share: float, *, centred: bool) -> Array:
        """Give the weights [groups, rows, columns] that make of `now` what `weights` make of `wanted`.

        Least squares with a pull towards `weights`: W (C + d) (G + d)^-1, C and G the products of deviations
        from the means where `centred` (a bias makes up for the rest), d the share of G's mean diagonal.
        Rounding them with G then minimises the layer's error against the float network (Li et al. 2025,
        "GPTAQ", arXiv 2504.02692, has this aim).
        """
        gram, cross = self._about(self if centred else None)
        diagonal = numpy.einsum("gkk->gk", gram)
        pull = numpy.maximum(share * diagonal.mean(axis=1), 1e-12)[:, None] * numpy.ones(gram.shape[2])
        diagonal += pull
        numpy.einsum("gkk->gk", cross)[...] += pull
        solved = numpy.linalg.solve(gram, numpy.swapaxes(weights @ cross, 1, 2))
        return numpy.ascontiguousarray(numpy.swapaxes(solved, 1, 2))

    def error(self, weights: Array, suited: Array, centre: PairedInputs | None) -> float:
        """Give the squared error of `suited` on these positions but for what no weights change.

        Means are those of `centre` (a bias was set there), or zero.
        """
        gram, cross = self._about(centre)
        return float((suited @ gram * suited).sum() - 2 * (weights @ cross * suited).sum())

    def _about(self, centre: PairedInputs | None) -> tuple[Array, Array]:
        """Give `gram` and `cross` of deviations from the means of `centre`."""
        gram, cross = self.gram.astype(numpy.float64), self.cross.astype(numpy.float64)
        if centre is not None:
            now, wanted = (total / max(centre.samples, 1) for total in (centre.now, centre.wanted))
            rest = self.now - self.samples * now
            gram -= now[:, :, None] * rest[:, None, :] + self.now[:, :, None] * now[:, None, :]
            cross -= wanted[:, :, None] * rest[:, None, :] + self.wanted[:, :, None] * now[:, None, :]
        return gram, cross


def judged_damping(weights: Array, halves: tuple[PairedInputs, PairedInputs], *, centred: bool) -> float:
    """Give the damping with which weights that suit one half of the data are best on the other, both ways.

    Positions of one frame are much alike, so that their number says little of how far the sums can be
    trusted; frames that were not used do. One frame alone gets the most cautious but one.
    """
    if not all(half.samples for half in halves):
        return TRIED[-2]
    errors = {
        share: sum(
            judge.error(weights, fitted.suited(weights, share, centred=centred), fitted if centred else None)
            for fitted, judge in (halves, halves[::-1])
        )
        for share in TRIED
    }
    return min(errors, key=lambda share: errors[share])


def damping(gram: Array, samples: int) -> float:
    """Give the share of the mean diagonal that stands for what `samples` don't say about `gram`."""
    columns: int = gram.shape[2]
    return max(DAMPING, SCARCE * columns / max(samples, 1))
