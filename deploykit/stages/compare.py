"""Compare two dumps, layer by layer."""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy

from deploykit.align.divergence import Divergence, ErrorPoint, first_divergence
from deploykit.align.element_types import Array
from deploykit.align.metrics import METRICS, Sums
from deploykit.align.sums import difference_sums
from deploykit.analysis.heat import heat_map
from deploykit.artifacts.dumps import Comparison, DumpedTensor, DumpSet, HeatMap, TensorDifference
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.store import Reader

if TYPE_CHECKING:
    from deploykit.stages.call import StageCall


@dataclass(frozen=True)
class Tolerance:
    """What tensors whose name fits the pattern `match` have to meet; limits that are not set do not count."""

    match: str
    sqnr_db: float | None = None
    cosine: float | None = None
    relative_l2: float | None = None
    max_abs: float | None = None


@dataclass(frozen=True)
class CompareParams:
    """Options of the compare stage.

    `tolerances` are read in order: the last one that matches a tensor decides. `noise` is the relative
    error that is taken for plain rounding when the first divergence is looked for. `heat_maps` is how many
    of the worst spatial tensors get a picture, of at most `heat_rows` x `heat_columns` values.
    """

    tolerances: tuple[Tolerance, ...] = (Tolerance("*", sqnr_db=10.0),)
    noise: float = 0.02
    heat_maps: int = 4
    heat_rows: int = 48
    heat_columns: int = 160


def compare_dumps(reference: DumpSet, other: DumpSet, *, reader: Reader, params: CompareParams) -> Comparison:
    """Measure every tensor that both sets have, by name; name the others.

    Files are memory-mapped and read in chunks. A tensor passes if it meets its tolerance and holds no NaN
    or infinity.

    Raises:
        InputError: other clips on one side, a tensor of two shapes, a tolerance that matches nothing.
    """
    pairs = _pairs(reference, other)
    tolerances = _tolerances(params, [tensor.name for tensor, _ in pairs])
    differences = [_difference(tensor, partner, reader, tolerances[tensor.name]) for tensor, partner in pairs]
    found = _divergence(reference, differences, params.noise)
    names = {tensor.name for tensor in reference.tensors}, {tensor.name for tensor in other.tensors}
    return Comparison(
        network=reference.network,
        reference=reference.label,
        other=other.label,
        tensors=tuple(differences),
        missing=tuple(tensor.name for tensor in reference.tensors if tensor.name not in names[1]),
        extra=tuple(tensor.name for tensor in other.tensors if tensor.name not in names[0]),
        first_divergence=found.tensor if found else None,
        divergence_reason=found.reason if found else "no tensor's error jumps beside that of its inputs",
        heat_maps=_heat_maps(pairs, differences, reader, params),
    )


def _pairs(reference: DumpSet, other: DumpSet) -> list[tuple[DumpedTensor, DumpedTensor]]:
    if reference.clips != other.clips:
        raise input_error(
            "compare",
            f"{reference.label} has the clips {_clips(reference)}, {other.label} has {_clips(other)}",
            "dump the same frames on both sides",
        )
    partners = {tensor.name: tensor for tensor in other.tensors}
    pairs = [(tensor, partners[tensor.name]) for tensor in reference.tensors if tensor.name in partners]
    faults = [
        Fault(a.name, f"its shape is {list(a.shape)} in {reference.label}, {list(b.shape)} in {other.label}")
        for a, b in pairs
        if a.shape != b.shape
    ]
    if not pairs:
        faults.append(Fault("compare", f"{reference.label} and {other.label} share no tensor name"))
    if faults:
        raise InputError(*faults)
    return pairs


def _clips(dumps: DumpSet) -> str:
    return ", ".join(f"{name} ({count} frames)" for name, count in dumps.clips) or "none"


def _tolerances(params: CompareParams, names: list[str]) -> dict[str, Tolerance | None]:
    """Give the tolerance that decides for each tensor."""
    found: dict[str, Tolerance | None] = dict.fromkeys(names)
    faults = []
    for index, tolerance in enumerate(params.tolerances):
        matched = [name for name in names if fnmatch.fnmatchcase(name, tolerance.match)]
        if not matched:
            hint = did_you_mean(tolerance.match, names[:20])
            faults.append(
                Fault(f"compare.tolerances.{index}.match", f"{tolerance.match!r} matches no tensor{hint}")
            )
        found.update(dict.fromkeys(matched, tolerance))
    if faults:
        raise InputError(*faults)
    return found


def _difference(
    tensor: DumpedTensor, partner: DumpedTensor, reader: Reader, tolerance: Tolerance | None
) -> TensorDifference:
    a, b = _mapped(tensor, reader), _mapped(partner, reader)
    frame_size = math.prod(tensor.shape)
    by_frame = [difference_sums(x, y) for x, y in zip(a, b, strict=True)]
    total = Sums()
    for number, sums in enumerate(by_frame):
        total = total.plus(sums, number * frame_size)
    reason = _exceeded(total, tolerance)
    return TensorDifference(
        name=tensor.name,
        node=tensor.node,
        segment=tensor.segment,
        cosine=METRICS["cosine"](total),
        relative_l2=METRICS["relative_l2"](total),
        sqnr_db=METRICS["sqnr_db"](total),
        max_abs=total.max_abs,
        max_abs_index=max(total.max_abs_index, 0),
        nan_count=total.nonfinite,
        passed=not reason,
        sqnr_db_by_frame=tuple(METRICS["sqnr_db"](sums) for sums in by_frame),
        reason=reason,
    )


def _mapped(tensor: DumpedTensor, reader: Reader) -> Array:
    mapped: Array = numpy.load(reader.path(tensor.file), mmap_mode="r", allow_pickle=False)
    return mapped


def _exceeded(sums: Sums, tolerance: Tolerance | None) -> str:
    """Say which limit a tensor misses; "" where it passes."""
    if sums.nonfinite:
        return f"{sums.nonfinite} values are NaN or infinite"
    if tolerance is None or sums.dd == 0.0:
        return ""
    at_least = {"sqnr_db": tolerance.sqnr_db, "cosine": tolerance.cosine}
    at_most = {"relative_l2": tolerance.relative_l2, "max_abs": tolerance.max_abs}
    for name, limit in (at_least | at_most).items():
        value = METRICS[name](sums)
        if limit is None or (value >= limit if name in at_least else value <= limit):
            continue
        return f"{name} {value:.4g}, {'at least' if name in at_least else 'at most'} {limit:g} wanted"
    return ""


def _divergence(reference: DumpSet, differences: list[TensorDifference], noise: float) -> Divergence | None:
    inputs = {tensor.name: tensor.inputs for tensor in reference.tensors}
    points = [
        ErrorPoint(item.name, item.node, math.inf if item.nan_count else item.relative_l2, inputs[item.name])
        for item in differences
    ]
    feeds = {state_input: output for output, state_input in reference.state}
    return first_divergence(points, noise=noise, feeds=feeds)


def _heat_maps(
    pairs: list[tuple[DumpedTensor, DumpedTensor]],
    differences: list[TensorDifference],
    reader: Reader,
    params: CompareParams,
) -> tuple[HeatMap, ...]:
    """Picture the worst tensors of shape [N, C, H, W] that differ."""
    spatial = [
        (pair, item)
        for pair, item in zip(pairs, differences, strict=True)
        if len(pair[0].shape) == 4 and min(pair[0].shape[2:]) > 1 and item.relative_l2 > 0
    ]
    worst = sorted(spatial, key=lambda entry: entry[1].relative_l2, reverse=True)[: params.heat_maps]
    maps = []
    for (tensor, partner), item in worst:
        rows, columns = min(params.heat_rows, tensor.shape[2]), min(params.heat_columns, tensor.shape[3])
        values = heat_map(_mapped(tensor, reader), _mapped(partner, reader), rows, columns)
        maps.append(
            HeatMap(item.name, rows, columns, tuple(round(float(value), 8) for value in values.reshape(-1)))
        )
    return tuple(maps)


PARAMS = CompareParams
GIVES = Comparison


def run(call: StageCall) -> Comparison:
    """Run the stage for the pipeline."""
    dumps = call.inputs["dump"], call.inputs["dump_quantized"]
    return compare_dumps(*dumps, reader=call.workspace, params=call.params)
