"""Several dumps in order (float, quantized, simulator, board): which step between two of them broke."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from deploykit.align.compare import Options, compare
from deploykit.align.dump import Dump
from deploykit.align.result import Diff, judge
from deploykit.align.specs import Tolerance, last_match
from deploykit.core.errors import InputError, input_error

JUMP = 3.0
"""A tensor jumps at a step whose error is this many times that of each other step."""


@dataclass(frozen=True)
class Step:
    """From one dump to the next: relative errors by tensor (infinite with NaN), their median and the worst.

    `failed` are tensors that miss their limits between these two alone, `jumps` those whose error of this
    step stands out beside all other steps'; both in computing order.
    """

    before: str
    after: str
    errors: Mapping[str, float]
    failed: tuple[str, ...]
    not_compared: tuple[str, ...]
    jumps: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Both ends."""
        return f"{self.before} -> {self.after}"

    @property
    def median(self) -> float:
        """The middle tensor's error."""
        return statistics.median(self.errors.values())


def parse_between(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Split `LABEL=PATH`.

    Raises:
        InputError: a text without a label, a label twice.
    """
    found = [tuple(text.partition("=")[::2]) for text in texts]
    for (label, path), text in zip(found, texts, strict=True):
        if not label or not path:
            raise input_error("--between", f"{text!r} is no LABEL=DUMP", "such as quantized=dumps/int8")
    labels = [label for label, _ in found]
    twice = sorted({label for label in labels if labels.count(label) > 1 or label in ("reference", "board")})
    if twice:
        raise input_error("--between", f"the label {twice[0]!r} is taken", "name each dump differently")
    return [(label, path) for label, path in found]


def steps_of(
    dumps: Sequence[tuple[str, Dump]], tolerances: tuple[Tolerance, ...], *, options: Options
) -> tuple[Step, ...]:
    """Compare neighbours; the reference's contracts count for the first dump, the board's for the last.

    Raises:
        InputError: two neighbours that share nothing.
    """
    found = []
    for at in range(len(dumps) - 1):
        (before, ours), (after, theirs) = dumps[at], dumps[at + 1]
        last = at == len(dumps) - 2
        inside = replace(
            options,
            details=False,
            groups=(),
            exclude=(),
            contracts=options.contracts if last else (),
            reference_contracts=options.reference_contracts if at == 0 else (),
            maps=options.maps if last else (),
            patterns=options.patterns if last else (),
        )
        try:
            diff = compare(ours, theirs, options=inside)
        except InputError as error:
            raise InputError(
                *(replace(fault, where=f"{before} -> {after}: {fault.where}") for fault in error.faults)
            ) from error
        found.append(_step(before, after, diff, tolerances))
    return with_jumps(found, options.noise)


def _step(before: str, after: str, diff: Diff, tolerances: tuple[Tolerance, ...]) -> Step:
    compared = [item for item in diff.tensors if item.status == "compared"]
    usable = tuple(item for item in tolerances if any(last_match([item], one.name) for one in compared))
    usable = tuple(
        replace(item, limits=tuple(limit for limit in item.limits if limit.measure in compared[0].measures))
        for item in usable
    )
    judged = judge(replace(diff, tensors=tuple(compared)), usable).tensors
    errors = {
        item.name: math.inf if item.measures["nonfinite"] else item.measures["relative_l2"]
        for item in compared
    }
    failed = tuple(item.name for item in judged if item.passed is False)
    lost = tuple(item.name for item in diff.tensors if item.incomplete)
    return Step(before, after, errors, failed, lost)


def with_jumps(steps: Sequence[Step], noise: float) -> tuple[Step, ...]:
    found = []
    for step in steps:
        others = [other for other in steps if other is not step]
        jumps = tuple(
            name
            for name, error in step.errors.items()
            if error > noise
            and all(error > JUMP * other.errors[name] for other in others if name in other.errors)
        )
        found.append(replace(step, jumps=jumps))
    return tuple(found)


def broken_step(steps: Sequence[Step]) -> str:
    """Say which step broke: of those with tensors beyond their limits the one at which most errors jump."""
    failing = [step for step in steps if step.failed]
    if not failing:
        return "no step alone misses a limit"
    worst = max(failing, key=lambda step: (len(step.jumps), len(step.failed), step.median))
    first = (*(name for name in worst.jumps if name in worst.failed), *worst.failed)[0]
    elsewhere = max((step.errors.get(first, 0.0) for step in steps if step is not worst), default=0.0)
    text = (
        f"{worst.name}: {len(worst.failed)} of {len(worst.errors)} tensors miss their limits, the first "
        f"is {first} (relative error {worst.errors[first]:.3g}, {elsewhere:.3g} at most in the other steps)"
    )
    others = [step.name for step in failing if step is not worst]
    return text + (f"; {' and '.join(others)} too, with fewer" if others else "")


def as_values(steps: Sequence[Step]) -> tuple[dict[str, Any], ...]:
    """Give steps as plain values, for a result."""
    return tuple(
        {**asdict(step), "median": step.median, "worst": max(step.errors.values())} for step in steps
    )
