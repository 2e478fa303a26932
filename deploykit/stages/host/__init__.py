"""This machine's own CPU as a chip: measured with small networks in onnxruntime, on one core."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
import onnx

from deploykit.analysis.calibration.chip_fit import ChipFit, Measured, fit_chip
from deploykit.analysis.calibration.prior import prior_for
from deploykit.analysis.layer_rows import network_table
from deploykit.analysis.summary import summarise
from deploykit.analysis.time_model import layer_columns
from deploykit.artifacts.layer_table import NetworkTable
from deploykit.core.graph.model import model_from_proto
from deploykit.core.graph.normalise import normalise
from deploykit.core.graph.shapes import infer_shapes
from deploykit.core.graph.sketch import Sketch
from deploykit.stages.host.measure import measure_latency_s
from deploykit.stages.host.probes import Probe, probes

FUSES = ("Add", "BatchNormalization", "Clip", "HardSigmoid", "LeakyRelu", "Relu", "Sigmoid", "Tanh")
"""What onnxruntime's CPU kernels compute with a convolution (ConvActivation, ConvAddActivation fusions)."""

FLOAT_BYTES = 4
PRODUCT_SIDE = 768
ROUNDS = 3
ADDED_ELEMENTS = 1 << 24


@dataclass(frozen=True)
class HostMeasurement:
    """What one core did. `peak_ops_per_s` is that of a large matrix product, `bandwidth_bytes_per_s` that of
    an addition of tensors which no cache holds; `fit` has the probes, each held out in turn."""

    peak_ops_per_s: float
    bandwidth_bytes_per_s: float
    fit: ChipFit


def measure_host(*, progress: Callable[[str], None] = lambda name: None) -> HostMeasurement:
    """Measure all probes and fit the time model to them; takes about a minute.

    `progress` is told the name of each network before it runs.
    """
    progress("matrix product")
    peak = measure_peak_ops_per_s()
    progress("addition")
    bandwidth = measure_bandwidth_bytes_per_s()
    made = tuple(probes())
    columns = layer_columns(
        [table_of(probe.model).rows for probe in made],
        weight_bits=8 * FLOAT_BYTES,
        activation_bits=8 * FLOAT_BYTES,
    )
    measured = Measured(
        tuple(probe.name for probe in made),
        tuple(probe.family for probe in made),
        columns,
        numpy.array(_least_times_s(made, progress)),
    )
    fit = fit_chip(measured, prior_for(peak, bandwidth), spec_bandwidth=bandwidth)
    return HostMeasurement(peak, bandwidth, fit)


def _least_times_s(made: Sequence[Probe], progress: Callable[[str], None]) -> list[float]:
    """Measure all probes in several rounds, so that no passing disturbance meets one of them in all."""
    least = [math.inf] * len(made)
    for turn in range(ROUNDS):
        for index, probe in enumerate(made):
            progress(f"{probe.name}, round {turn + 1} of {ROUNDS}")
            least[index] = min(least[index], measure_latency_s(probe.model, budget_s=0.1))
    return least


def table_of(model: onnx.ModelProto) -> NetworkTable:
    """Give a network's layers as onnxruntime's CPU runs them."""
    own = onnx.ModelProto()
    own.CopyFrom(model)  # normalising changes it
    ready = normalise(model_from_proto(own, model.graph.name))
    infer_shapes(ready)
    return network_table(summarise(ready), name=model.graph.name, source="made here", fuses=FUSES)


def measure_peak_ops_per_s() -> float:
    """Give the speed of a large product of matrices (2 operations a MAC)."""
    sketch = Sketch("product")
    x = sketch.input(PRODUCT_SIDE, PRODUCT_SIDE)
    weight = sketch.weight(PRODUCT_SIDE, PRODUCT_SIDE, inputs=PRODUCT_SIDE)
    y = sketch.op("MatMul", (x, weight), (PRODUCT_SIDE, PRODUCT_SIDE))
    return 2 * PRODUCT_SIDE**3 / measure_latency_s(sketch.model(y))


def measure_bandwidth_bytes_per_s() -> float:
    """Give the bytes a second of an addition: two large tensors in, one out."""
    sketch = Sketch("addition")
    y = sketch.add(sketch.input(ADDED_ELEMENTS), sketch.input(ADDED_ELEMENTS))
    return 3 * FLOAT_BYTES * ADDED_ELEMENTS / measure_latency_s(sketch.model(y))
