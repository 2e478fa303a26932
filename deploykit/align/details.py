"""What is measured of a tensor beside the sums: where it differs, by how many steps, in which channel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy

from deploykit.align import element_types
from deploykit.align.element_types import Array
from deploykit.align.tensors import BLOCK, Box, Tensor, boxes, pairs

QUANTILES = {"p50_abs": 0.5, "p90_abs": 0.9, "p99_abs": 0.99, "p999_abs": 0.999}
TOP = (1, 5)
STEP_CLASSES = ((0, 0), (1, 1), (2, 4), (5, 16), (17, None))
"""Classes of a difference in steps: units in the last place of floats, codes of integers."""

MEASURES = (
    "max_rel",
    "mean_rel",
    *QUANTILES,
    "top1",
    "top5",
    "one_step",
    "saturated",
    "worst_channel_sqnr_db",
)
"""The measures that `measure_details` adds to those of `metrics.METRICS`."""


@dataclass(frozen=True)
class Details:
    """Measures by name; difference in steps (class, count); SQNR by channel and by batch item, in dB; the
    flat index of the largest relative difference. What a tensor has no such thing of is empty or absent."""

    measures: dict[str, float]
    max_rel_index: int = -1
    steps_of: str = ""
    steps: dict[str, int] = field(default_factory=dict)
    sqnr_db_by_channel: tuple[float, ...] = ()
    sqnr_db_by_item: tuple[float, ...] = ()


def measure_details(reference: Tensor, board: Tensor, channel_axis: int) -> Details:
    """Measure one frame in one pass, block by block; places that are not finite count for nothing."""
    rank = len(reference.shape)
    parts: list[Any] = [_Relative(), _Quantiles()]
    steps = _Steps(reference, board)
    channels = _ByIndex(channel_axis, reference.shape) if channel_axis < rank else None
    items = _ByIndex(0, reference.shape) if rank > 1 and channel_axis > 0 else None
    tables = [table for table in (channels, items) if table is not None]
    for start, box, x, y in pairs(reference, board):
        steps.add(x, y, board.codes[box])
        a, b, d = _finite(x, y)
        for part in parts:
            part.add(a, b, d, start)
        for table in tables:
            table.add(a, d, box)
    measures = {name: value for part in (*parts, steps) for name, value in part.measures().items()}
    measures.update(_top_agreement(reference, board, channel_axis))
    by_channel = channels.sqnr_db() if channels else ()
    if by_channel:
        measures["worst_channel_sqnr_db"] = min(by_channel)
    return Details(
        measures, parts[0].index, steps.unit, steps.classes(), by_channel, items.sqnr_db() if items else ()
    )


def _finite(x: Array, y: Array) -> tuple[Array, Array, Array]:
    with numpy.errstate(invalid="ignore"):  # NaN that signals
        a, b = x.astype(numpy.float64), y.astype(numpy.float64)
    finite = numpy.isfinite(a) & numpy.isfinite(b)
    if not finite.all():
        a, b = numpy.where(finite, a, 0.0), numpy.where(finite, b, 0.0)
    return a, b, b - a


class _Relative:
    """|d| / |a| where the reference is not zero."""

    def __init__(self) -> None:
        self.largest, self.total, self.count, self.index = 0.0, 0.0, 0, -1

    def add(self, a: Array, b: Array, d: Array, start: int) -> None:
        a, d = a.reshape(-1), d.reshape(-1)
        ratio = numpy.divide(numpy.abs(d), numpy.abs(a), out=numpy.zeros_like(d), where=a != 0)
        at = int(ratio.argmax())
        if ratio[at] > self.largest:
            self.largest, self.index = float(ratio[at]), start + at
        self.total += float(ratio.sum())
        self.count += int(numpy.count_nonzero(a))

    def measures(self) -> dict[str, float]:
        return {"max_rel": self.largest, "mean_rel": self.total / self.count if self.count else 0.0}


class _Quantiles:
    """A histogram over the upper 17 bits of float32 |d|: its bins are less than 1 % wide."""

    SHIFT = 15

    def __init__(self) -> None:
        self.counts = numpy.zeros(1 << (31 - self.SHIFT), numpy.int64)

    def add(self, a: Array, b: Array, d: Array, start: int) -> None:
        with numpy.errstate(over="ignore"):
            codes = numpy.abs(d).astype(numpy.float32).view(numpy.uint32).reshape(-1) >> self.SHIFT
        self.counts += numpy.bincount(codes, minlength=len(self.counts))

    def measures(self) -> dict[str, float]:
        reached = numpy.cumsum(self.counts)
        if not reached[-1]:
            return {}
        found = {}
        for name, share in QUANTILES.items():
            code = int(numpy.searchsorted(reached, math.ceil(share * reached[-1])))
            edges = numpy.array([code << self.SHIFT, (code + 1) << self.SHIFT], numpy.uint32).view(
                numpy.float32
            )
            found[name] = float(edges[0]) if code == 0 else float(edges.astype(numpy.float64).mean())
        return found


def _top_agreement(reference: Tensor, board: Tensor, axis: int) -> dict[str, float]:
    """Share of the `k` largest along the channels (of the whole tensor, where it has one axis) that are the
    same ones on both sides, over all positions; of equal values the first counts."""
    shape = reference.shape
    if not shape or 0 in shape:
        return {}
    axis = min(axis, len(shape) - 1)
    found, positions = dict.fromkeys(TOP, 0), 0
    others = (*shape[:axis], *shape[axis + 1 :])
    for _, box in boxes(others, max(1, BLOCK // shape[axis])):
        full = (*box[:axis], slice(0, shape[axis]), *box[axis:])
        a, b, _ = _finite(reference.take(full), board.take(full))
        first, second = (numpy.moveaxis(side, axis, -1).reshape(-1, shape[axis]) for side in (a, b))
        positions += len(first)
        ours, theirs = (numpy.argsort(-side, axis=1, kind="stable")[:, : TOP[-1]] for side in (first, second))
        for k in TOP:
            found[k] += int((ours[:, :k, None] == theirs[:, None, :k]).sum())
    return {f"top{k}": found[k] / (k * positions) for k in TOP if shape[axis] >= k}


class _Steps:
    """Differences counted in the board's own steps: codes of a quantized type, units in the last place of
    the coarser of two float types."""

    def __init__(self, reference: Tensor, board: Tensor) -> None:
        self.counts = [0] * len(STEP_CLASSES)
        self.limits = element_types.code_range(board.dtype)
        self.saturated = self.seen = 0
        self.scale = board.contract.scale if board.contract else ()
        self.unit, self.kind = _unit(reference, board, self.scale)

    def add(self, x: Array, y: Array, codes: Array) -> None:
        if self.limits:
            low, high = self.limits
            self.saturated += int(numpy.count_nonzero((codes == low) | (codes == high)))
        self.seen += x.size
        if not self.unit:
            return
        steps = self._steps(x, y)
        for index, (low, upper) in enumerate(STEP_CLASSES):
            inside = steps >= low if upper is None else (steps >= low) & (steps <= upper)
            self.counts[index] += int(numpy.count_nonzero(inside))

    def _steps(self, x: Array, y: Array) -> Array:
        if self.unit == "codes":
            with numpy.errstate(invalid="ignore"):
                codes = numpy.rint((y.astype(numpy.float64) - x) / (self.scale[0] if self.scale else 1.0))
            return numpy.asarray(numpy.nan_to_num(numpy.abs(codes)))
        return numpy.asarray(numpy.abs(_ordered(x, self.kind) - _ordered(y, self.kind)))

    def classes(self) -> dict[str, int]:
        names = [f"{low}" if low == upper else f"{low}..{upper or ''}" for low, upper in STEP_CLASSES]
        return dict(zip(names, self.counts, strict=True)) if self.unit else {}

    def measures(self) -> dict[str, float]:
        found = {}
        if self.unit and self.seen:
            found["one_step"] = (self.counts[0] + self.counts[1]) / self.seen
        if self.limits and self.seen:
            found["saturated"] = self.saturated / self.seen
        return found


def _unit(reference: Tensor, board: Tensor, scale: tuple[float, ...]) -> tuple[str, str]:
    """Give what a step is ("codes" or the float type's name with ULP; "" where there is none)."""
    if element_types.is_integer(board.dtype):
        return ("codes", "") if len(scale) <= 1 else ("", "")
    floats = ("bfloat16", "float16", "float")  # coarsest first
    found = [kind for kind in floats if kind in (reference.dtype, board.dtype)]
    return (f"ULP of {found[0]}", found[0]) if found else ("", "")


def _ordered(values: Array, kind: str) -> Array:
    """Number the values of a float type in order, so that neighbours differ by one."""
    with numpy.errstate(invalid="ignore", over="ignore"):
        codes = element_types.to_codes(values.astype(numpy.float32), kind)
    width = codes.dtype.itemsize * 8
    whole = codes.view(f"u{codes.dtype.itemsize}").astype(numpy.int64)
    size = whole & ((1 << (width - 1)) - 1)
    return numpy.asarray(numpy.where(whole >> (width - 1), -size, size))


class _ByIndex:
    """Signal and noise at each index of one axis."""

    def __init__(self, axis: int, shape: tuple[int, ...]) -> None:
        self.axis, self.others = axis, tuple(other for other in range(len(shape)) if other != axis)
        self.signal, self.noise = numpy.zeros(shape[axis]), numpy.zeros(shape[axis])

    def add(self, a: Array, d: Array, box: Box) -> None:
        self.signal[box[self.axis]] += numpy.square(a).sum(axis=self.others)
        self.noise[box[self.axis]] += numpy.square(d).sum(axis=self.others)

    def sqnr_db(self) -> tuple[float, ...]:
        with numpy.errstate(divide="ignore"):
            signal, noise = numpy.log10(self.signal), numpy.log10(self.noise)
        level = numpy.where(
            self.noise == 0, numpy.inf, 10 * (signal - numpy.where(self.noise == 0, 0, noise))
        )
        return tuple(float(value) for value in level)
