"""Views of float against quantized dumps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from deploykit.artifacts.dumps import Comparison, HeatMap, TensorDifference
from deploykit.artifacts.graph import Dim
from deploykit.artifacts.results import NetworkResults
from deploykit.reports.views.nouns.dumps import DumpsView, FrameCurve, HeatMapView, TensorRow
from deploykit.reports.views.numbers import finite

WORST_TENSORS = 12
FRAME_CURVES = 5


def worst_first(tensor: TensorDifference) -> tuple[bool, float]:
    """Sort key: tensors with NaN values first, then by SQNR; a difference without one counts as 0 dB."""
    undefined_db = 0.0 if tensor.max_abs > 0 else math.inf
    return tensor.nan_count == 0, undefined_db if math.isnan(tensor.sqnr_db) else tensor.sqnr_db


def is_equal(tensor: TensorDifference) -> bool:
    """Say whether both runs gave the same numbers."""
    return tensor.max_abs == 0 and tensor.nan_count == 0


def dumps_view(result: NetworkResults) -> DumpsView | None:
    """Give the comparison by depth, the worst tensors, their frames and the pictures."""
    comparison = result.comparison
    if comparison is None:
        return None
    shapes = {name: info.shape for name, info in result.partition.tensor.items()} if result.partition else {}
    rows = tuple(
        _row(position, tensor, shapes.get(tensor.name)) for position, tensor in enumerate(comparison.tensors)
    )
    order = sorted(range(len(rows)), key=lambda index: worst_first(comparison.tensors[index]))
    seen = [row.sqnr_db for row in rows if row.sqnr_db is not None]
    return DumpsView(
        reference=comparison.reference,
        other=comparison.other,
        tensors=rows,
        worst=tuple(rows[index] for index in order[:WORST_TENSORS] if not rows[index].equal),
        failed=sum(not row.passed for row in rows),
        equal=sum(row.equal for row in rows),
        equal_level_db=10 * math.ceil(max(seen, default=0) / 10) + 10,
        first_divergence=comparison.first_divergence,
        divergence_reason=comparison.divergence_reason,
        frames=_frame_curves(comparison, order),
        heat_maps=tuple(_heat_map(picture) for picture in comparison.heat_maps),
        missing=comparison.missing,
        extra=comparison.extra,
    )


def _row(position: int, tensor: TensorDifference, shape: Sequence[Dim] | None) -> TensorRow:
    return TensorRow(
        position=position,
        tensor=tensor.name,
        node=tensor.node,
        segment=tensor.segment,
        cosine=finite(tensor.cosine),
        relative_l2=finite(tensor.relative_l2),
        sqnr_db=finite(tensor.sqnr_db),
        equal=is_equal(tensor),
        max_abs=finite(tensor.max_abs),
        max_abs_place=index_in_words(tensor.max_abs_index, shape),
        nan_count=tensor.nan_count,
        passed=tensor.passed,
        reason=tensor.reason,
    )


def index_in_words(flat: int, shape: Sequence[Dim] | None) -> str:
    """Name a flat index in (frames, *shape): `frame 2 [0, 3, 1]`; as it is where a size is unknown."""
    sizes = [size for size in shape or () if isinstance(size, int) and size > 0]
    if shape is None or len(sizes) != len(shape):
        return f"flat {flat}"
    places: list[int] = []
    for size in reversed(sizes):
        flat, place = divmod(flat, size)
        places.insert(0, place)
    return f"frame {flat} {places}"


def _frame_curves(comparison: Comparison, order: Sequence[int]) -> tuple[FrameCurve, ...]:
    """Pick the first divergence, the worst tensors and the last one: few enough lines to tell apart."""
    tensors = [comparison.tensors[index] for index in order]
    last = [tensor for tensor in comparison.tensors[-1:] if not is_equal(tensor)]
    first = [tensor for tensor in tensors if tensor.name == comparison.first_divergence]
    worst = [tensor for tensor in tensors if not is_equal(tensor)]
    chosen = {tensor.name: tensor for tensor in [*first, *last, *worst] if tensor.sqnr_db_by_frame}
    return tuple(
        FrameCurve(tensor.name, tuple(finite(value) for value in tensor.sqnr_db_by_frame))
        for tensor in list(chosen.values())[:FRAME_CURVES]
    )


def _heat_map(picture: HeatMap) -> HeatMapView:
    peak = max((value for value in picture.values if math.isfinite(value)), default=0.0)
    percents = tuple(
        (round(100 * value / peak) if peak > 0 else 0) if math.isfinite(value) else None
        for value in picture.values
    )
    return HeatMapView(picture.tensor, picture.rows, picture.columns, percents, peak)
