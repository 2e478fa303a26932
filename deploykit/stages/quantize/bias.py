"""Make up for what rounding does to the mean of each layer's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy

from deploykit.analysis.affine import Array
from deploykit.stages.quantize.layers import Layer, WeightUse
from deploykit.stages.quantize.statistics import InputStatistics
from deploykit.stages.quantize.weights import RoundedWeight


def bias_corrections(
    layers: Sequence[Layer],
    rounded: Mapping[WeightUse, RoundedWeight],
    statistics: Mapping[WeightUse, InputStatistics],
) -> dict[str, Array]:
    """Give by node what its bias grows by, one number for each output channel.

    The mean of a layer's float outputs minus that of its outputs with rounded weights and rounded inputs:
    W E[x] - W' E[x']. Nagel et al. 2019, "Data-free quantization", arXiv 1906.04721, with means that are
    measured.
    """
    found = {}
    for layer in layers:
        seen = statistics.get(layer.use)
        if layer.bias is None or seen is None or layer.id not in seen.count:
            continue
        before, after = seen.means(layer.id)
        weights = layer.use.form.matrix(layer.segment.array(layer.use.name).astype(numpy.float64))
        lost = weights @ before[:, :, None] - rounded[layer.use].values @ after[:, :, None]
        found[layer.id] = lost.reshape(-1)
    return found
