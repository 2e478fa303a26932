"""What measured networks say of one engine at one precision: rates that no data sheet gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

MacClass: TypeAlias = Literal["conv", "stem", "pointwise", "depthwise", "grouped", "matmul"]
VectorClass: TypeAlias = Literal["elementwise", "special", "move"]


@dataclass(frozen=True)
class Rates:
    """The numbers of the time model (`analysis.time_model` has the formula).

    `efficiency` is the share of the engine's peak that layers of a class reach, `vector_bytes_per_s` the
    bytes that layers without MACs read and write a second, by class: elementwise, pooling and upsampling;
    softmax, normalisation and activations by table (special); concatenation and transposition (move).
    Activations stay on the chip where a layer's inputs and outputs together fit `resident_bytes`.
    With `rereads_tiles`, where neither they nor the weights fit, one of them is read again for every tile of
    the other.
    """

    efficiency: dict[MacClass, float]
    bandwidth_bytes_per_s: float
    resident_bytes: float
    vector_bytes_per_s: dict[VectorClass, float]
    layer_overhead_s: float
    network_overhead_s: float
    rereads_tiles: bool = False


@dataclass(frozen=True)
class HeldOut:
    """How far predictions of networks that the fit did not see were off; errors are shares of the latency.

    `mean_error` and `median_error` are of absolute errors; `spec_mean_error` is that of the data sheet's
    roofline on the same networks.
    """

    method: str
    networks: int
    mean_error: float
    median_error: float
    spec_mean_error: float


@dataclass(frozen=True)
class Spread:
    """How wide predictions are: 90 % of held-out networks lay within a factor exp(`log_width` x w).

    w = 1 + `per_outside` x the share of the predicted time that lies outside of the measured networks: the
    sum over kinds of what exceeds `seen_share`, the largest share of the kind in any of them.
    """

    log_width: float
    per_outside: float
    seen_share: dict[str, float]


@dataclass(frozen=True)
class Calibration:
    """Rates fitted on `source`, for one engine at one scheme; the peak is that which `efficiency` is a
    share of."""

    engine: str
    scheme: str
    source: str
    peak_ops_per_s: float
    rates: Rates
    spread: Spread
    held_out: tuple[HeldOut, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class DecodeRate:
    """What language models of a precision reach when they decode on the main engine, fitted on `source`.

    A token takes (weights + cache) / bandwidth + layers x `layer_s`. `mean_error` and `largest_error` are of
    predictions of each of the `models` from a fit to the others, as shares of the measured time.
    """

    weight_bits: float
    activation_bits: float
    bandwidth_bytes_per_s: float
    layer_s: float
    models: int
    mean_error: float
    largest_error: float
    source: str
