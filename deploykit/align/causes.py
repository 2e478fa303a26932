"""Ask the diagnosis why tensors fail: the worst frame of each, the first ones of the network first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy

from deploykit.align.compare import Frames, Options, open_pair
from deploykit.align.contract import Contract
from deploykit.align.diagnosis import Cause, Context, Diagnosis, diagnose
from deploykit.align.dump import Dump
from deploykit.align.element_types import Array
from deploykit.align.result import Diff, TensorDiff
from deploykit.align.tensors import Tensor
from deploykit.core.errors import InputError

MOST_TENSORS = 8
"""Tensors that are diagnosed in one run: a wrong input explains every later layer."""

MOST_ELEMENTS = 1 << 24
"""Larger tensors are not diagnosed: a diagnosis holds several copies of one in float64."""

OTHERS = 8
"""Other frames and other tensors that are handed over to look for a swap."""


def with_causes(diff: Diff, reference: Dump, board: Dump, options: Options) -> Diff:
    """Add causes to tensors that fail. No verdict changes."""
    names = set(reference.names)
    failing = [item for item in diff.tensors if item.passed is False and item.name in names]
    chosen = [item.name for item in failing[:MOST_TENSORS]]
    tensors = tuple(
        _diagnosed(item, diff, reference, board, options) if item.name in chosen else item
        for item in diff.tensors
    )
    notes = diff.notes
    if len(failing) > len(chosen):
        notes += (f"only the first {len(chosen)} of {len(failing)} failing tensors were diagnosed",)
    return replace(diff, tensors=tensors, notes=notes)


def _diagnosed(item: TensorDiff, diff: Diff, reference: Dump, board: Dump, options: Options) -> TensorDiff:
    if math.prod(item.shape) > MOST_ELEMENTS:
        return replace(item, diagnosis={"verdict": "none: the tensor is too large"})
    if not item.shape:
        return replace(item, diagnosis={"verdict": "none: a single value"})
    ours, theirs = open_pair(reference, board, item.name, item.board_name, options=options)
    frame = _worst(item)
    wanted = ours.by_number[frame].whole()
    if not numpy.isfinite(wanted).any():
        return replace(item, diagnosis={"verdict": "none: the reference holds no finite value"})
    context = Context(
        references={**_other_frames(ours, frame), **_other_tensors(item, diff, reference, options)},
        earlier_board=theirs.by_number[frame - 1].whole() if frame - 1 in theirs.by_number else None,
        earlier_reference=ours.by_number[frame - 1].whole() if frame - 1 in ours.by_number else None,
    )
    stored, contract = _as_declared(theirs.by_number[frame])
    found = diagnose(wanted, stored, contract, context=context)
    return replace(item, causes=tuple(map(_plain, found.causes)), diagnosis=_summary(found, frame))


def _worst(item: TensorDiff) -> int:
    if item.nonfinite_index:
        return item.nonfinite_index[0]
    worst = min(range(len(item.frames)), key=lambda at: item.sqnr_db_by_frame[at])
    return item.frames[worst]


def _as_declared(tensor: Tensor) -> tuple[Array, Contract]:
    """Give the board's bytes with the contract by which they were read."""
    if tensor.buffer is not None and tensor.contract is not None:
        return tensor.buffer, tensor.contract
    axis = 1 if len(tensor.shape) > 1 else 0
    return tensor.whole(), Contract(tensor.shape, tensor.dtype, channel_axis=axis)


def _other_frames(frames: Frames, frame: int) -> dict[str, Array]:
    near = sorted((number for number in frames.by_number if number != frame), key=lambda n: abs(n - frame))
    return {f"frame {number}": frames.by_number[number].whole() for number in near[:OTHERS]}


def _other_tensors(item: TensorDiff, diff: Diff, reference: Dump, options: Options) -> dict[str, Array]:
    """Give the same frame of other tensors that have this one's shape."""
    names = [
        other.name
        for other in diff.tensors
        if other.shape == item.shape and other.name != item.name and other.name in reference.names
    ]
    same = replace(options, contracts=options.reference_contracts)
    found = {}
    for name in names[:OTHERS]:
        try:
            frames, _ = open_pair(reference, reference, name, name, options=same)
        except InputError:
            continue
        if _worst(item) in frames.by_number:
            found[name] = frames.by_number[_worst(item)].whole()
    return found


def _plain(cause: Cause) -> Mapping[str, object]:
    return {"kind": cause.kind, "explanation": cause.explanation, "fix": "\n".join(cause.fix)}


def _summary(found: Diagnosis, frame: int) -> dict[str, object]:
    return {
        "verdict": found.verdict,
        "frame": frame,
        "explained": found.explained,
        "confidence": found.confidence,
        "runner_up": [_plain(cause) for cause in found.runner_up],
    }
