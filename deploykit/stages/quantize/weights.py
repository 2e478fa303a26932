"""Integer weights of all layers of a network, so that a weight has the same codes wherever it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy

from deploykit.analysis.affine import Array, scales_that_hold
from deploykit.analysis.rounding.descent import descended_codes
from deploykit.analysis.rounding.gptq import gptq_codes
from deploykit.analysis.rounding.grid import Grid, largest_scales, searched_scales
from deploykit.analysis.rounding.paired import PairedInputs, damping, judged_damping
from deploykit.stages.quantize.layers import Layer, Parameters, WeightUse
from deploykit.stages.quantize.params import QuantizeParams
from deploykit.stages.quantize.placement import Placement
from deploykit.stages.quantize.statistics import InputStatistics

REFIT_SAMPLES = 4
"""How many positions an 8-bit layer has to be seen at for each of its columns before it is fitted to them.

Fewer, and the fit follows their noise: with 2.7 positions a column, a sentence encoder in w8a8 had 20.3 dB
with the fit and 23.9 dB without. What 4-bit layers have lost is larger, and worth it.
"""


@dataclass(frozen=True)
class RoundedWeight:
    """A weight as integers: codes in its own layout, scales in that of DequantizeLinear."""

    codes: Array
    scales: Array
    values: Array
    """What the codes stand for, as a matrix [groups, rows, columns]."""


def round_weights(
    layers: Sequence[Layer],
    statistics: Mapping[WeightUse, InputStatistics],
    parameters: Parameters,
    placement: Placement,
    *,
    params: QuantizeParams,
) -> dict[WeightUse, RoundedWeight]:
    """Round each weight once, with the inputs of all layers that use it, and room for all their biases."""
    users: dict[WeightUse, list[Layer]] = {}
    for layer in layers:
        users.setdefault(layer.use, []).append(layer)
    found = {}
    for use, group in users.items():
        weights = _original(group[0])
        seen = statistics.get(use)
        grid, scales = _scales(weights, group, parameters, placement, params)
        codes = grid.codes(weights, scales)
        if seen is not None:
            codes = gptq_codes(weights, scales, seen.gram, grid, damping=damping(seen.gram, seen.samples))
        found[use] = _stored(use, grid, codes, scales)
    return found


def rerounded(
    layer: Layer,
    halves: tuple[PairedInputs, PairedInputs],
    parameters: Parameters,
    placement: Placement,
    *,
    params: QuantizeParams,
) -> RoundedWeight:
    """Round a layer's weights for the inputs that it has in the quantized network, seen in two halves."""
    corrected = params.bias_correction and layer.bias is not None
    weights = _original(layer)
    seen = halves[0].joined(halves[1])
    scarce = layer.use.bits >= 8 and seen.samples < REFIT_SAMPLES * seen.gram.shape[2]
    if params.refit and not scarce:
        share = judged_damping(weights, halves, centred=corrected)
        weights = seen.suited(weights, share, centred=corrected)
    grid, scales = _scales(weights, [layer], parameters, placement, params)
    # what refit found best says nothing here: where inputs are as in float, any damping suits it
    share = damping(seen.gram, seen.samples)
    codes = gptq_codes(weights, scales, seen.gram, grid, damping=share)
    if params.rounding == "descent":
        codes = descended_codes(codes, weights, scales, seen.gram, grid, damping=share)
    return _stored(layer.use, grid, codes, scales)


def _original(layer: Layer) -> Array:
    return layer.use.form.matrix(layer.segment.array(layer.use.name).astype(numpy.float64))


def _scales(
    weights: Array,
    users: Sequence[Layer],
    parameters: Parameters,
    placement: Placement,
    params: QuantizeParams,
) -> tuple[Grid, Array]:
    use = users[0].use
    grid = Grid(use.bits, use.form.blocks(use.block))
    scales = (searched_scales if params.weight_scales == "mse" else largest_scales)(weights, grid)
    if use.form.axis is None:
        scales = numpy.full_like(scales, scales.max())
    if use.block is None:
        for layer in users:
            scales = _holding_bias(scales, layer, parameters, placement)
    return grid, scales


def _stored(use: WeightUse, grid: Grid, codes: Array, scales: Array) -> RoundedWeight:
    shaped = use.form.block_scales(scales) if use.block is not None else scales.reshape(-1)
    if use.block is None and use.form.axis is None:
        shaped = numpy.asarray(scales.reshape(-1)[0])
    return RoundedWeight(use.form.unfold(codes), shaped, grid.values(codes, scales))


def _holding_bias(scales: Array, layer: Layer, parameters: Parameters, placement: Placement) -> Array:
    """Raise scales until the bias fits 32 bits; a bias on 16-bit activations that doesn't fit stays float."""
    source = layer.source_scale(parameters, placement)
    if layer.bias is None or source is None or layer.operands.bits != 8:
        return scales
    needed = scales_that_hold(layer.bias_values(), source)
    if layer.use.form.axis is None:
        return numpy.asarray(numpy.maximum(scales, needed.max(initial=0.0)), numpy.float32)
    # a grouped ConvTranspose has more output channels than its weight has scales
    folded = needed.reshape(-1, scales.size).max(axis=0).reshape(scales.shape)
    return numpy.asarray(numpy.maximum(scales, folded), numpy.float32)


def bias_scales(scales: Array, activation_scale: float, channels: int) -> Array:
    """Give the scale of each output channel's bias: activation scale x weight scale, in float32."""
    repeated = scales if scales.ndim == 0 else numpy.tile(scales, channels // scales.size)
    return (numpy.float32(activation_scale) * repeated).astype(numpy.float32)
