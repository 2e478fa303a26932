"""The options of the quantize stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class QuantizeParams:
    """Options of the quantize stage.

    `calibration`: "minmax" takes the extremes that were seen, "percentile" leaves out what lies beyond
    `percentile` at each end, except of what a Softmax, ArgMax or TopK ranks. `activation_type`: codes of
    activations, asymmetric. `per_channel`: weights have one scale for each output channel, else one for
    all.
    """

    calibration: Literal["minmax", "percentile"] = "percentile"
    percentile: float = 99.999
    activation_type: Literal["int8", "uint8"] = "int8"
    per_channel: bool = True
