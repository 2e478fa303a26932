"""Compare two dumps: pair, open, measure, and say what was not compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deploykit.align.divergence import ErrorPoint, first_divergence
from deploykit.align.dump import Dump, Stored
from deploykit.align.measure import measured
from deploykit.align.opened import Like, Opened, open_stored
from deploykit.align.pairing import Pairing, pair
from deploykit.align.result import Diff, TensorDiff
from deploykit.align.specs import Declared, Group, declared_for, fits
from deploykit.align.tensors import Tensor
from deploykit.core.errors import Fault, InputError
from deploykit.core.names import did_you_mean

NOISE = 0.02
"""Relative error that counts as plain rounding when the first divergence is looked for."""


@dataclass(frozen=True)
class Options:
    """How to compare. `exact`: all sums in float64. `details`: every tensor's, not only where it is asked
    for. `only` and `exclude` are patterns over reference names."""

    exact: bool = False
    details: bool = False
    contracts: tuple[Declared, ...] = ()
    reference_contracts: tuple[Declared, ...] = ()
    groups: tuple[Group, ...] = ()
    maps: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    noise: float = NOISE


@dataclass(frozen=True)
class Frames:
    """One tensor's frames by number."""

    by_number: Mapping[int, Tensor]
    notes: tuple[str, ...]


def compare(reference: Dump, board: Dump, *, options: Options) -> Diff:
    """Measure every pair of tensors; what has no partner or cannot be read stands in the result too.

    Raises:
        InputError: no tensor could be compared, or options that fit nothing; every fault at once.
    """
    pairing = pair(reference, board, maps=options.maps, patterns=options.patterns)
    if not pairing.pairs:
        raise InputError(_nothing_shared(reference, board))
    _refuse_unused(options, pairing)
    found: list[TensorDiff] = []
    for name in reference.names:
        if any(fits(name, pattern) for pattern in options.exclude):
            found.append(TensorDiff(name, "excluded", reason="left out by --exclude"))
        elif name in pairing.pairs:
            found += _pair_diffs(reference, board, name, pairing.pairs[name], options)
        else:
            found.append(TensorDiff(name, "missing", reason="the board dump has no such tensor"))
    if all(item.status in ("unreadable", "missing", "excluded") for item in found):
        faults = [Fault("", item.reason) for item in found if item.status == "unreadable"]
        raise InputError(*(faults or [_nothing_shared(reference, board)]))
    _refuse_unused_groups(options.groups, found)
    found += [TensorDiff(name, "extra", reason="the reference has no such tensor") for name in pairing.extra]
    return _with_divergence(reference, board, tuple(found), options)


def _nothing_shared(reference: Dump, board: Dump) -> Fault:
    ours, theirs = reference.names, board.names
    hint = did_you_mean(ours[0], theirs[:20]) if ours else ""
    return Fault(
        f"{reference.label} and {board.label}",
        f"share no tensor name ({len(ours)} against {len(theirs)}; {ours[0] if ours else 'none'!r}{hint})",
        "pair them with --map FILE or --pattern 'REFERENCE*=BOARD*'",
    )


def _refuse_unused(options: Options, pairing: Pairing) -> None:
    ours, theirs = list(pairing.pairs), list(pairing.pairs.values())
    patterns = [
        *(("--contract", item.match, theirs + list(pairing.extra)) for item in options.contracts),
        *(
            ("--reference-contract", item.match, ours + list(pairing.missing))
            for item in options.reference_contracts
        ),
        *(("--group", item.match, ours) for item in options.groups),
        *(("--exclude", text, ours + list(pairing.missing)) for text in options.exclude),
    ]
    faults = [
        Fault(option, f"{match!r} fits no tensor{did_you_mean(match, names[:50])}")
        for option, match, names in patterns
        if not any(fits(name, match) for name in names)
    ]
    if faults:
        raise InputError(*faults)


def _refuse_unused_groups(groups: Sequence[Group], found: Sequence[TensorDiff]) -> None:
    """A group has to fit into some tensor; one with a pattern of its own, into all that it names."""
    made = {item.name for item in found}
    faults = []
    for group in groups:
        named = [item for item in found if item.status == "compared" and fits(item.name, group.match)]
        lacking = [item for item in named if f"{item.name}:{group.name}" not in made]
        wanted = [
            item for item in lacking if not any(item.name.endswith(f":{other.name}") for other in groups)
        ]
        if wanted and (group.match != "*" or len(wanted) == len(named)):
            shape = list(wanted[0].shape)
            faults.append(Fault("--group", f"{group.name} does not fit into {wanted[0].name} of {shape}"))
    if faults:
        raise InputError(*faults)


def _pair_diffs(
    reference: Dump, board: Dump, name: str, board_name: str, options: Options
) -> list[TensorDiff]:
    try:
        ours, theirs = open_pair(reference, board, name, board_name, options=options)
    except InputError as error:
        return [TensorDiff(name, "unreadable", board_name, reason="; ".join(map(str, error.faults)))]
    first = next(iter(ours.by_number.values()))
    common = sorted(ours.by_number.keys() & theirs.by_number.keys())
    whole = TensorDiff(
        name,
        "compared",
        board_name,
        shape=first.shape,
        frames=tuple(common),
        frames_missing=tuple(sorted(ours.by_number.keys() ^ theirs.by_number.keys())),
        notes=(*ours.notes, *theirs.notes),
    )
    if not common:
        return [
            replace(
                whole,
                status="unreadable",
                reason=f"{board_name}: no frame on both sides: {_numbers(ours)} and {_numbers(theirs)}",
            )
        ]
    frames = [(ours.by_number[number], theirs.by_number[number]) for number in common]
    parts = [(whole, frames)]
    for group in options.groups:
        box = _box(group, first.shape) if fits(name, group.match) else None
        if box is not None:
            part = replace(whole, name=f"{name}:{group.name}")
            parts.append((part, [(a.cut(box), b.cut(box)) for a, b in frames]))
    return [measured(part, inside, exact=options.exact, details=options.details) for part, inside in parts]


def open_pair(
    reference: Dump, board: Dump, name: str, board_name: str, *, options: Options
) -> tuple[Frames, Frames]:
    """Open a tensor on both sides; what the board's bytes are is told by options, manifest or the reference.

    Raises:
        InputError: every file that cannot be opened.
    """
    ours = _open_all(reference.of(name), declared_for(options.reference_contracts, name), None)
    first = next(iter(ours.by_number.values()))
    like = Like(first.shape, first.dtype, len(ours.by_number))
    return ours, _open_all(board.of(board_name), declared_for(options.contracts, board_name), like)


def _numbers(frames: Frames) -> str:
    numbers = sorted(frames.by_number)
    return (
        f"{len(numbers)} frames from {numbers[0]} to {numbers[-1]}"
        if len(numbers) > 1
        else f"frame {numbers[0]}"
    )


def _box(group: Group, shape: tuple[int, ...]) -> tuple[slice, ...] | None:
    box = [slice(0, length) for length in shape]
    for axis, first, stop in group.ranges:
        if axis >= len(shape) or first >= shape[axis] or (stop is not None and stop > shape[axis]):
            return None
        box[axis] = slice(first, shape[axis] if stop is None else stop)
    return tuple(box)


def _open_all(stored: Sequence[Stored], declared: Mapping[str, Any], like: Like | None) -> Frames:
    """Open the files of one tensor; every one that is wrong is named."""
    by_number: dict[int, Tensor] = {}
    notes: list[str] = []
    faults: list[Fault] = []
    for item in stored:
        try:
            opened: Opened = open_stored(item, declared, like)
        except InputError as error:
            faults += error.faults
            continue
        notes += opened.notes
        for number, frame in enumerate(opened.frames, item.frame or 0):
            if number in by_number:
                faults.append(
                    Fault(item.where, f"holds frame {number} of {item.name!r}, which is in another file too")
                )
            by_number[number] = frame
    if faults:
        raise InputError(*faults)
    if not by_number:
        raise InputError(Fault(stored[0].where, "holds no frames"))
    shapes = {tensor.shape: number for number, tensor in by_number.items()}
    if len(shapes) > 1:
        found = ", ".join(f"{list(shape)} in frame {number}" for shape, number in shapes.items())
        raise InputError(Fault(stored[0].name, f"has other shapes in other frames: {found}"))
    return Frames(by_number, tuple(dict.fromkeys(notes)))


def _with_divergence(reference: Dump, board: Dump, tensors: tuple[TensorDiff, ...], options: Options) -> Diff:
    diff = Diff(
        reference.label,
        board.label,
        (reference.kind, board.kind),
        tensors,
        order_known=bool(reference.order or reference.inputs),
        notes=_notes(reference, board),
    )
    if not diff.order_known:
        return replace(diff, divergence_reason="the order of the layers is not known: give --order FILE")
    parts = {f":{group.name}" for group in options.groups}
    points = [
        ErrorPoint(
            item.name,
            "" if reference.inputs and not reference.inputs.get(item.name) else item.name,
            math.inf if item.measures["nonfinite"] else item.measures["relative_l2"],
            tuple(reference.inputs.get(item.name, ())),
        )
        for item in tensors
        if item.status == "compared" and not any(item.name.endswith(part) for part in parts)
    ]
    feeds = {source: output for output, source in reference.state}
    found = first_divergence(points, noise=options.noise, feeds=feeds)
    if found is None:
        return replace(diff, divergence_reason="no tensor's error jumps beside that of its inputs")
    return replace(diff, first_divergence=found.tensor, divergence_reason=found.reason)


def _notes(reference: Dump, board: Dump) -> tuple[str, ...]:
    notes = [*reference.notes, *board.notes]
    for what in ("model", "data"):
        ours, theirs = getattr(reference, what), getattr(board, what)
        if ours and theirs and ours != theirs:
            notes.append(
                f"the dumps are of different {'models' if what == 'model' else 'inputs'}: {ours} and {theirs}"
            )
    for dump in (reference, board):
        if dump.left_out:
            names = ", ".join(dump.left_out[:3]) + (", ..." if len(dump.left_out) > 3 else "")
            notes.append(f"{dump.label}: {len(dump.left_out)} files were not read as tensors ({names})")
    return tuple(notes)
