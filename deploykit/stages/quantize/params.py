"""The options of the quantize stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class QuantizeParams:
    """Options of the quantize stage.

    `calibration`: "minmax" takes the extremes that were seen, "percentile" leaves out what lies beyond
    `percentile` at each end, "mse" takes the range with the least squared error, "entropy" that with the
    least Kullback-Leibler divergence, "moving_average" a mean of each frame's extremes; what a Softmax,
    ArgMax or TopK ranks keeps its extremes. `activation_type`: codes of activations, asymmetric; of the same
    sign where they have 16 bits. `per_channel`: weights have the scales that the plan gives them, else one
    for all. `weight_scales`: "max" so that no weight saturates, "mse" with their least squared error.
    `rounding`: each weight to the "nearest" code, by "gptq" with the layer's own inputs, or by "descent",
    which goes on from there. `refit`: before that, weights are fitted to what earlier layers have become.
    `bias_correction`: whether biases make up for the mean error. `fusion`: nothing is rounded between a layer
    and the function that the chip computes on its way out. `smoothing`: products read channels of very
    different size times a factor each, which their weights take back. `equalisation`: channels of very
    different size get factors, which the layers around them take. Both only where the predicted error gets
    much smaller.
    """

    calibration: Literal["minmax", "percentile", "mse", "entropy", "moving_average"] = "percentile"
    percentile: float = 99.999
    activation_type: Literal["int8", "uint8"] = "int8"
    per_channel: bool = True
    weight_scales: Literal["max", "mse"] = "mse"
    rounding: Literal["nearest", "gptq", "descent"] = "descent"
    refit: bool = True
    bias_correction: bool = True
    fusion: bool = True
    smoothing: bool = True
    equalisation: bool = True
