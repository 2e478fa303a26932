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

    def suited(self, weights: Array, *, centred: bool) -> Array:
        """Give the weights [groups, rows, columns] that make of `now` what `weights` make of `wanted`.

        Least squares with a pull towards `weights`: W (C + d) (G + d)^-1, C and G the products of deviations
        from the means where `centred` (a bias makes up for the rest). Rounding them with G then minimises the
        layer's error against the float network (Li et al. 2025, "GPTAQ", arXiv 2504.02692, has this aim).
        """
        gram, cross = self.gram.astype(numpy.float64), self.cross.astype(numpy.float64)
        if centred:
            mean = self.now / max(self.samples, 1)
            gram -= self.now[:, :, None] * mean[:, None, :]
            cross -= self.wanted[:, :, None] * mean[:, None, :]
        diagonal = numpy.einsum("gkk->gk", gram)
        pull = numpy.maximum(damping(self.gram, self.samples) * diagonal.mean(axis=1), 1e-12)[
            :, None
        ] * numpy.ones(gram.shape[2])
        diagonal += pull
        numpy.einsum("gkk->gk", cross)[...] += pull
        solved = numpy.linalg.solve(gram, numpy.swapaxes(weights @ cross, 1, 2))
        return numpy.ascontiguousarray(numpy.swapaxes(solved, 1, 2))


def damping(gram: Array, samples: int) -> float:
    """Give the share of the mean diagonal that stands for what `samples` don't say about `gram`."""
    columns: int = gram.shape[2]
    return max(DAMPING, SCARCE * columns / max(samples, 1))
