"""What a diagnosis says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy

from deploykit.align.diagnosis.reading import Reading
from deploykit.align.element_types import Array

Verdict = Literal["match", "named", "ambiguous", "noise", "no explanation"]


@dataclass(frozen=True)
class Context:
    """What else there is to look at; all of it may be missing.

    `references`: other frames of the reference or other tensors, by name, of the same shape. `earlier_board`
    and `earlier_reference`: the frame before. `second_run`: the board's dump of the same frame once more.
    """

    references: Mapping[str, Array] = field(default_factory=dict)
    earlier_board: Any = None
    earlier_reference: Array | None = None
    second_run: Any = None


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong. `fix` are lines of YAML; empty where no way of reading undoes it."""

    kind: str
    explanation: str
    fix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repair:
    """The fix as a value: how to read the dump, then reference = gain * value + offset (one, or one a
    channel)."""

    reading: Reading
    gain: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)

    def values(self, board: Any) -> Array:
        """Read a board's bytes as the fix says; NaN where the board has no such element."""
        values = self.reading.values(numpy.frombuffer(board, numpy.uint8))
        channel = self.reading.contract.channel_axis
        shape = [-1 if axis == channel else 1 for axis in range(values.ndim)]
        gain, offset = numpy.asarray(self.gain), numpy.asarray(self.offset)
        if gain.size > 1 or offset.size > 1:
            gain, offset = (
                gain.reshape(shape if gain.size > 1 else ()),
                offset.reshape(shape if offset.size > 1 else ()),
            )
        else:
            gain, offset = gain.reshape(()), offset.reshape(())
        return numpy.asarray(values * gain + offset)


@dataclass(frozen=True)
class Diagnosis:
    """Why a board's tensor differs from the reference.

    verdict: `named` (causes hold), `ambiguous` (causes, or runner_up, explain it equally), `noise` (only
    rounding, see `sqnr_db`), `no explanation`, or `match`. `explained` is the share of the error's energy
    that the
    causes explain, `r` the correlation that is left with the reference, `confidence` in [0, 1] counts the
    margin over
    the runner-up too. `sqnr_db` is that of the dump as it was declared. A diagnosis never makes a mismatch
    a match.
    """

    verdict: Verdict
    causes: tuple[Cause, ...]
    runner_up: tuple[Cause, ...]
    explained: float
    r: float
    confidence: float
    sqnr_db: float
    repair: Repair | None = None

    @property
    def text(self) -> str:
        """One line a cause."""
        if self.verdict == "noise":
            return f"quantization noise, SQNR {self.sqnr_db:.1f} dB"
        if self.verdict in ("match", "no explanation"):
            return self.verdict
        said = "; ".join(cause.explanation for cause in self.causes)
        if self.verdict == "ambiguous":
            other = "; ".join(cause.explanation for cause in self.runner_up)
            return f"ambiguous: {said}, or: {other}"
        return said
