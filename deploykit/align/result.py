"""What a comparison found: measures first, the verdict apart, so that it can be judged again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from deploykit.align.specs import Tolerance, last_match
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean

VERSION = 1

ALONE = "layer_alone_relative_l2"
"""Name of the measure of a layer that was fed the board's own inputs, where it was made."""


@dataclass(frozen=True)
class TensorDiff:
    """One tensor, or (`NAME:GROUP`) a named part of one.

    `status` is compared, missing (the board lacks it), extra (the reference lacks it), unreadable or
    excluded; `reason` says why it is not compared, or which limit is missed. `passed` is None where nothing
    was compared. Measures are over all frames in `frames`; `max_abs_index` begins with the frame.
    `contract` are the lines by which the board's bytes were read. `causes` are what a diagnosis found (kind,
    explanation, fix), `diagnosis` how sure it is.
    """

    name: str
    status: str
    board_name: str = ""
    reason: str = ""
    passed: bool | None = None
    shape: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ()
    frames: tuple[int, ...] = ()
    frames_missing: tuple[int, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    max_abs_index: tuple[int, ...] = ()
    nonfinite: Mapping[str, int] = field(default_factory=dict)
    nonfinite_index: tuple[int, ...] = ()
    sqnr_db_by_frame: tuple[float, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    contract: str = ""
    judged_by: str = ""
    notes: tuple[str, ...] = ()
    causes: tuple[Mapping[str, Any], ...] = ()
    diagnosis: Mapping[str, Any] = field(default_factory=dict)

    @property
    def incomplete(self) -> bool:
        """Say whether something of this tensor was not compared."""
        return self.status != "compared" or bool(self.frames_missing)


@dataclass(frozen=True)
class Diff:
    """Two dumps side by side. `order_known`: tensors stand in computing order. `over_time` are the faults
    that only several frames show (`clips.finding`), `steps` the errors from dump to dump where there are more
    than two (`chain.Step`). Where the network is given, `layers` have each layer's own error, and `around`
    draws the layers beside the first that is wrong."""

    reference: str
    board: str
    read_as: tuple[str, ...]
    tensors: tuple[TensorDiff, ...]
    order_known: bool = False
    first_divergence: str = ""
    divergence_reason: str = ""
    notes: tuple[str, ...] = ()
    over_time: tuple[Mapping[str, Any], ...] = ()
    steps: tuple[Mapping[str, Any], ...] = ()
    broken_step: str = ""
    layers: tuple[Mapping[str, Any], ...] = ()
    layers_verdict: str = ""
    around: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where a tensor misses its limits, else 4 where something was not compared, else 0."""
        if any(tensor.passed is False for tensor in self.tensors):
            return 1
        if any(tensor.incomplete for tensor in self.tensors) or not self.tensors:
            return 4
        return 0


def judge(diff: Diff, tolerances: tuple[Tolerance, ...]) -> Diff:
    """Hold every measure against the limits; the last tolerance whose pattern fits decides.

    NaN or infinity on one side fails without any limit, unless a limit on `nonfinite` allows it.

    Raises:
        InputError: a pattern that fits no tensor, a limit on what was not measured.
    """
    compared = [tensor for tensor in diff.tensors if tensor.status == "compared"]
    names = [tensor.name for tensor in compared]
    faults = [
        Fault(
            "--tolerance",
            f"{item.match!r} fits no tensor that was compared{did_you_mean(item.match, names[:50])}",
        )
        for item in tolerances
        if names and not any(last_match([item], name) for name in names)
    ]
    for tensor in compared:
        tolerance = last_match(tolerances, tensor.name)
        for limit in tolerance.limits if tolerance else ():
            if limit.measure not in tensor.measures:
                faults.append(
                    Fault(
                        "--tolerance",
                        f"{tensor.name} has no {limit.measure}",
                        "compare with --details, if it can have one",
                    )
                )
    if faults:
        raise InputError(*faults)
    return replace(
        diff, tensors=tuple(_judged(item, last_match(tolerances, item.name)) for item in diff.tensors)
    )


def _judged(tensor: TensorDiff, tolerance: Tolerance | None) -> TensorDiff:
    if tensor.status != "compared":
        return tensor
    limits = tolerance.limits if tolerance else ()
    missed = []
    lost = tensor.measures["nonfinite"]
    if lost and not any(limit.measure == "nonfinite" for limit in limits):
        missed.append(f"{lost:.0f} places are NaN or infinite")
    for limit in limits:
        value = tensor.measures[limit.measure]
        if not limit.holds(value):
            side = "at least" if limit.at_least else "at most"
            missed.append(f"{limit.measure} {value:.4g}, {side} {limit.bound:g} wanted")
    text = f"{tolerance.match}:{','.join(map(str, limits))}" if tolerance else ""
    return replace(tensor, passed=not missed, reason="; ".join(missed), judged_by=text)


def to_json(diff: Diff) -> str:
    """Write a result; infinity and NaN stand as Infinity and NaN."""
    return json.dumps({"deploykit_diff": VERSION, **asdict(diff), "exit_code": diff.exit_code}, indent=1)


def from_json(path: Path) -> Diff:
    """Read a result back.

    Raises:
        InputError: the file is none.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise input_error(str(path), f"cannot be read as a result: {error}") from error
    if not isinstance(content, dict) or content.get("deploykit_diff") != VERSION:
        raise input_error(str(path), "is no result of deploykit diff", "make one with -o result.json")
    try:
        tensors = tuple(TensorDiff(**_tuples(item)) for item in content["tensors"])
        known = {item.name for item in fields(Diff)}
        return replace(
            Diff(**_tuples({key: content[key] for key in known & content.keys()})), tensors=tensors
        )
    except (TypeError, KeyError) as error:
        raise input_error(str(path), f"is no whole result: {error}") from error


def _tuples(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
