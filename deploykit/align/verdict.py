"""One run of the command: read both dumps, compare, judge, and look for causes where a tensor fails."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from deploykit.align.chain import as_values, broken_step, parse_between, steps_of
from deploykit.align.clips.look import look_over_time
from deploykit.align.clips.stacked import with_stacked_frames
from deploykit.align.compare import Options, compare, open_pair
from deploykit.align.details import MEASURES
from deploykit.align.dump import Dump
from deploykit.align.network import Network
from deploykit.align.pictures import Picture, picture_of
from deploykit.align.readers import read_dump
from deploykit.align.result import Diff, TensorDiff, judge
from deploykit.align.specs import Tolerance, parse_contracts, parse_groups
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean

Item = TypeVar("Item")


PICTURES = 24
"""How many tensors a page shows in pictures, the worst ones."""


def compare_and_judge(
    given: argparse.Namespace, tolerances: tuple[Tolerance, ...], network: Network | None = None
) -> tuple[Diff, tuple[Picture, ...]]:
    """Do what the command line says; there are pictures where a page is asked for.

    Raises:
        InputError: options or dumps that cannot be read; every fault of the options at once.
    """
    needed = any(limit.measure in MEASURES for item in tolerances for limit in item.limits)
    faults: list[Fault] = []
    options = Options(
        exact=given.exact,
        details=given.details or needed,
        noise=given.noise,
        contracts=_parsed(parse_contracts, given.contract, faults),
        reference_contracts=_parsed(parse_contracts, given.reference_contract, faults),
        groups=_parsed(parse_groups, given.group, faults),
        maps=tuple(given.map),
        patterns=tuple(given.pattern),
        exclude=tuple(given.exclude),
    )
    if faults:
        raise InputError(*faults)
    reference, board = read_dump(given.reference, given.reference_as), read_dump(given.board, given.board_as)
    if given.clips:
        reference = with_stacked_frames(reference, sum(given.clips))
    if given.order is not None:
        reference = replace(reference, order=_order(given.order, reference))
    elif network is not None:
        reference = network.in_order(reference)
    diff = judge(compare(reference, board, options=options), tolerances)
    if network is not None:
        diff = network.with_layers(diff, reference, board, options)
    if given.between:
        between = [(label, read_dump(Path(path))) for label, path in parse_between(given.between)]
        dumps = [("reference", reference), *between, ("board", board)]
        steps = steps_of(dumps, tolerances, options=options)
        diff = replace(diff, steps=as_values(steps), broken_step=broken_step(steps))
    if diff.exit_code == 1 and not given.no_diagnosis:
        from deploykit.align.causes import with_causes  # only where something fails

        diff = with_causes(diff, reference, board, options)
    runs = {kind: read_dump(path) for kind, path in _runs(given).items()}
    over_time = look_over_time(diff, reference, board, options=options, clips=given.clips, runs=runs)
    diff = replace(diff, over_time=over_time)
    return diff, tuple(_pictures(diff, reference, board, options)) if given.page is not None else ()


def _runs(given: argparse.Namespace) -> dict[str, Path]:
    """Give the reference's runs with a fault of the state, by the fault that each one shows."""
    named = {"state_not_reset": given.reference_carried, "state_never_updated": given.reference_stateless}
    return {kind: path for kind, path in named.items() if path is not None}


def _pictures(diff: Diff, reference: Dump, board: Dump, options: Options) -> Iterator[Picture]:
    """Take pictures of the worst tensors in their worst frame, in the order of the dump."""
    whole = [item for item in diff.tensors if item.status == "compared" and item.name in reference.names]
    worst = sorted(whole, key=_badness, reverse=True)[:PICTURES]
    for item in whole:
        if item not in worst:
            continue
        ours, theirs = open_pair(reference, board, item.name, item.board_name, options=options)
        frame = min(zip(item.sqnr_db_by_frame, item.frames, strict=True))[1]
        other = theirs.by_number[frame]
        axis = other.contract.channel_axis if other.contract else 1
        yield picture_of(item.name, frame, ours.by_number[frame], other, channel_axis=axis)


def _badness(item: TensorDiff) -> tuple[bool, bool, float]:
    """Order tensors: those that fail, those with NaN, then by relative error."""
    return item.passed is False, bool(item.measures["nonfinite"]), item.measures["relative_l2"]


def _parsed(
    parse: Callable[[Sequence[str]], tuple[Item, ...]], texts: Sequence[str], faults: list[Fault]
) -> tuple[Item, ...]:
    """Parse one option; what is wrong joins the other faults."""
    try:
        return parse(texts)
    except InputError as error:
        faults += error.faults
        return ()


def _order(path: Path, reference: Dump) -> tuple[str, ...]:
    """Read one name a line."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise input_error(str(path), f"cannot be read: {error}") from error
    faults = [
        Fault(
            f"{path}:{number}",
            f"the reference has no tensor {line!r}{did_you_mean(line, reference.names[:200])}",
        )
        for number, line in enumerate(lines, 1)
        if line.strip() and line.strip() not in reference.names
    ]
    if faults:
        raise InputError(*faults)
    return tuple(line.strip() for line in lines if line.strip())
