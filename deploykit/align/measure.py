"""Measure one tensor over its frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy

from deploykit.align.contract import as_yaml
from deploykit.align.details import measure_details
from deploykit.align.element_types import Array
from deploykit.align.metrics import METRICS, Sums, needs_exact
from deploykit.align.result import TensorDiff
from deploykit.align.sums import difference_sums
from deploykit.align.tensors import Tensor, pairs


def measured(
    part: TensorDiff, frames: Sequence[tuple[Tensor, Tensor]], *, exact: bool, details: bool
) -> TensorDiff:
    """Measure the frames of one tensor, pair by pair; all have one shape. Where the difference is nearly all
    gain, the sums are made again in float64."""
    by_frame = [pair_sums(a, b, exact=exact) for a, b in frames]
    shape = frames[0][0].shape
    size = math.prod(shape)
    total = Sums()
    for number, sums in enumerate(by_frame):
        total = total.plus(sums, number * size)
    if not exact and needs_exact(total):
        return measured(part, frames, exact=True, details=details)
    board = frames[0][1]
    measures = {name: metric(total) for name, metric in METRICS.items()}
    found: dict[str, Any] = {}
    if not size:
        part = replace(part, notes=(*part.notes, "has no elements"))
    elif details:
        extra = [
            measure_details(a, b, board.contract.channel_axis if board.contract else 1) for a, b in frames
        ]
        worst = max(extra, key=lambda item: item.measures["max_rel"])
        measures.update(
            {name: _over_frames(name, [item.measures for item in extra]) for name in worst.measures}
        )
        found = {"by_frame": [asdict(item) for item in extra]}
    return replace(
        part,
        shape=shape,
        dtypes=(frames[0][0].dtype, board.dtype),
        measures=measures,
        max_abs_index=_place(total.max_abs_index, part.frames, shape),
        nonfinite={
            "nan_reference": total.nan_a,
            "nan_board": total.nan_b,
            "inf_reference": total.inf_a,
            "inf_board": total.inf_b,
        },
        nonfinite_index=_place(total.nonfinite_index, part.frames, shape),
        sqnr_db_by_frame=tuple(METRICS["sqnr_db"](sums) for sums in by_frame),
        details=found,
        contract=as_yaml(board.contract) if board.contract else "",
    )


def _over_frames(name: str, measures: Sequence[Mapping[str, float]]) -> float:
    """Join a measure over frames: the worst frame counts."""
    values = [item[name] for item in measures if name in item]
    return min(values) if name.startswith(("top", "one_step", "worst")) else max(values)


def _place(index: int, frames: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the frame's number and the index in its tensor."""
    if index < 0:
        return ()
    frame, inside = divmod(index, math.prod(shape))
    return (frames[frame], *(int(at) for at in numpy.unravel_index(inside, shape)))


def pair_sums(a: Tensor, b: Tensor, *, exact: bool) -> Sums:
    """Sum up a pair of tensors, block by block."""
    total = Sums()
    for start, _, x, y in pairs(a, b):
        x, y = _narrow(x, y) if not exact else (x, y)
        total = total.plus(difference_sums(x, y, exact=exact), start)
    return total


def _narrow(x: Array, y: Array) -> tuple[Array, Array]:
    """Give both as float32 where that holds every value of their types."""
    if all(side.dtype.itemsize <= 2 or side.dtype == numpy.float32 for side in (x, y)):
        with numpy.errstate(invalid="ignore"):  # NaN that signals
            return x.astype(numpy.float32, copy=False), y.astype(numpy.float32, copy=False)
    return x, y
