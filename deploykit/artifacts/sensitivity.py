"""How far the network's outputs move when one layer computes on fewer bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from deploykit.artifacts.precision import Scheme

Measure: TypeAlias = Literal["noise", "cosine", "metric"]
"""`noise`: power of the outputs' error over that of the outputs; `cosine`: 1 - cosine. The mean over outputs.
`metric`: what the user's own function gives for the outputs of a frame, the mean over frames.

All are 0 for equal outputs; the first two of independent layers add up.
"""


@dataclass(frozen=True)
class SchemeError:
    """The error of the outputs with a layer at this scheme."""

    scheme: Scheme
    error: float

    @property
    def sqnr_db(self) -> float:
        """The error of `noise` as signal to quantization noise; infinite where there is none."""
        return -10 * math.log10(self.error) if self.error > 0 else math.inf


@dataclass(frozen=True)
class LayerSensitivity:
    """A layer with what follows it (`nodes`, the layer first), and its error at each scheme."""

    layer: str
    nodes: tuple[str, ...]
    errors: tuple[SchemeError, ...]

    def error_at(self, scheme: Scheme) -> float | None:
        """Give the error at a scheme; None where it was not measured."""
        return next((item.error for item in self.errors if item.scheme == scheme), None)


@dataclass(frozen=True)
class Sensitivity:
    """Errors of one network, layer by layer, over the data.

    `mode` "measured": one layer at the scheme, all others float. "estimated": the noise that the layer makes
    times how much random noise of its size moves the outputs. "restored": all layers at the scheme but this
    one: what is left of the error. `whole` has all layers at the scheme; `outputs` were compared. All is
    empty where nobody asked.
    """

    network: str
    mode: Literal["off", "measured", "estimated", "restored"]
    measure: Measure
    frames: int
    layers: tuple[LayerSensitivity, ...]
    whole: tuple[SchemeError, ...]
    outputs: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    metric: str = ""

    def additivity(self, scheme: Scheme) -> float | None:
        """Give the whole network's error at a scheme over the sum of its layers'; None where unknown."""
        parts = [layer.error_at(scheme) for layer in self.layers]
        total = sum(error for error in parts if error is not None)
        whole = next((item.error for item in self.whole if item.scheme == scheme), None)
        return None if whole is None or not total or self.mode == "restored" else whole / total
