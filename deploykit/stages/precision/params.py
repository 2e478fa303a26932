"""The options of the precision stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Choice: TypeAlias = Literal["w8a8", "w8a16", "w4a16", "w4a8", "float", "float16", "float32"]
"""What a user may ask for; "float" is the best floating point that a node's engine has."""

Family: TypeAlias = Literal["int8", "int16", "int4", "fp16", "fp32"]
"""Short names: int8 is w8a8, int16 w8a16, int4 w4a16 or w4a8, fp16 float16, fp32 float32."""

Policy: TypeAlias = Literal["plain", "arithmetic_intensity", "thresholds", "budget"]


@dataclass(frozen=True)
class SchemeException:
    """Nodes whose scheme the user sets.

    `match` is a segment's name, or a pattern over nodes' names or ids (`/head/*`); an id is the name of the
    node's first output.
    """

    match: str
    scheme: Choice


@dataclass(frozen=True)
class Thresholds:
    """The borders of the policy `thresholds`, in MACs per element moved off-chip and in TOPS.

    An element is one weight or activation value that is read or written off-chip. Below
    `low_macs_per_element`, or on a chip of up to `small_chip_tops` (8-bit operations, all accelerators):
    w4a16. From `high_macs_per_element` on, or on a chip of `large_chip_tops` and more: w4a8. Where both or
    neither hold, the roofline decides as in `arithmetic_intensity`.
    """

    low_macs_per_element: float = 8.0
    high_macs_per_element: float = 64.0
    small_chip_tops: float = 32.0
    large_chip_tops: float = 300.0


@dataclass(frozen=True)
class Budget:
    """What the policy `budget` minimises, and its bounds.

    `most_error` is in the measure of the sensitivity step (0.001 of noise is an SQNR of 30 dB), `most_time_s`
    the predicted time of the layers, `most_weight_bytes` their weights. `repair`: the plan is measured as a
    whole, and planned again with a tighter bound until it keeps `most_error`. `point` takes that plan of the
    Pareto front instead, counted from 0, the cheapest: the bounds say nothing then.
    """

    minimise: Literal["time", "size", "error"] = "time"
    most_error: float = 0.001
    most_time_s: float | None = None
    most_weight_bytes: int | None = None
    repair: bool = True
    point: int | None = None


@dataclass(frozen=True)
class PrecisionParams:
    """Options of the precision stage.

    `policy` "plain": every node gets `scheme` unless something speaks against it. "arithmetic_intensity":
    each layer by where it stands on the chip's rooflines. "thresholds": by the borders in `thresholds`.
    "budget": the best plan under the bounds in `budget`, by predicted time and measured errors.
    `allow` maps a segment's name or a pattern to what these nodes may take (`{backbone: int8, head: [int8,
    fp16]}`), the last that matches counts. `exceptions` are read in order: the last one that matches a node
    decides, also against the built-in rules and the policy.
    """

    scheme: Choice = "w8a8"
    exceptions: tuple[SchemeException, ...] = ()
    policy: Policy = "plain"
    allow: dict[str, Choice | Family | tuple[Choice | Family, ...]] = field(default_factory=dict)
    thresholds: Thresholds = Thresholds()
    budget: Budget = Budget()
