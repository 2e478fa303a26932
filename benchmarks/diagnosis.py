"""Name the causes of faults that are put into real activations, and count how often that is right.

    python -m benchmarks.diagnosis [--half held-out] [--seed N] [--part single] [--tensors 20] [--only FAULT]

Needs the extra `ocr`. Thresholds were chosen on `--half development`, which is seed 0. Without `--part` each
part runs as its own process. A line a fault as it goes; the last line of a part, and of the whole, is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy

from benchmarks.diagnosis_cases import Case, made, unrelated
from benchmarks.diagnosis_faults import FAULTS, PAIRS, Fault
from benchmarks.diagnosis_tensors import Array, tensors
from deploykit.align.diagnosis import Diagnosis, diagnose
from deploykit.align.diagnosis.value_fits import variance

HELD_OUT = 7316
"""The seed of frames, pages and faults that no threshold was chosen on."""

PARTS = ("single", "double", "none")


def main() -> None:
    """Measure single faults, pairs of faults, and pairs of tensors without a cause."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", default="held-out", choices=("development", "held-out"))
    parser.add_argument("--seed", type=int, default=HELD_OUT, help="of the held-out half")
    parser.add_argument("--tensors", type=int, default=20, help="tensors a fault; half as many a pair")
    parser.add_argument("--part", default="", choices=("", *PARTS))
    parser.add_argument("--only", default="", help="faults, or pairs as A+B, with commas")
    parser.add_argument("--wrong", action="store_true", help="print every wrong answer")
    options = parser.parse_args()
    if options.part:
        result = part(options)
    else:
        parts = {name: apart(name) for name in PARTS}
        result = {"benchmark": "diagnosis", "half": options.half, **parts}
    print(json.dumps(result), flush=True)


def apart(name: str) -> dict[str, object]:
    """Run one part as a process of its own and pass on what it prints; the last line is the result."""
    command = [sys.executable, "-m", "benchmarks.diagnosis", *sys.argv[1:], "--part", name]
    last = "{}"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line
    if process.returncode:
        return {"failed": process.returncode}
    found: dict[str, object] = json.loads(last)
    return found


def part(options: argparse.Namespace) -> dict[str, object]:
    """Measure one part in this process."""
    seed = 0 if options.half == "development" else options.seed
    start = time.process_time()
    found = tensors(seed, 60)
    result: dict[str, object] = {"part": options.part, "half": options.half, "seed": seed}
    if options.part == "none":
        result |= false_causes(found, options.wrong, 10 * options.tensors, seed)
    else:
        pairs = {f"{a.__name__}+{b.__name__}": (a, b) for a, b in PAIRS}
        single = {name: (fault,) for name, fault in FAULTS.items()}
        faults = single if options.part == "single" else pairs
        only = options.only.split(",") if options.only else faults
        wanted = options.tensors if options.part == "single" else -(-options.tensors // 2)
        rows = [
            measure(label, _cases(label, chain, found, wanted, seed), options.wrong)
            for label, chain in faults.items()
            if label in only
        ]
        result |= total(rows)
    return {**result, "cpu_s": round(time.process_time() - start)}


def false_causes(found: list[tuple[str, Array]], show: bool, wanted: int, seed: int) -> dict[str, object]:
    """Count causes named for pairs of tensors that have none: unrelated ones, and ones with noise alone."""
    cases = list(unrelated(found, wanted * 11 // 10, numpy.random.default_rng([3, seed])))[:wanted]
    false = apart = 0
    for index, case in enumerate(cases):
        answer = diagnose(case.reference, case.board, case.declared)
        false += answer.verdict in ("named", "ambiguous")
        apart += answer.verdict == case.fault
        if show and answer.verdict != case.fault:
            print(
                "FALSE", case.fault, list(case.reference.shape), answer.verdict, answer.text[:200], flush=True
            )
        if (index + 1) % 20 == 0:
            print(f"without a cause: {index + 1} pairs, {false} false causes, {apart} told apart", flush=True)
    return {"pairs": len(cases), "false_causes": false, "told_apart": apart}


def _cases(
    label: str, chain: tuple[Fault, ...], found: list[tuple[str, Array]], wanted: int, seed: int
) -> Iterator[Case]:
    """Give `wanted` cases over the tensors in order; small or constant ones are in `ambiguous_allowed`."""
    random = numpy.random.default_rng([seed, zlib.crc32(label.encode())])
    made_ones = 0
    for start in random.permutation(len(found)):
        case = made(label, chain, found[int(start)][1], random)
        if case is not None:
            made_ones += 1
            yield case
        if made_ones == wanted:
            return


@dataclass
class Row:
    """The outcomes of one fault; `apart` are tiny, constant or symmetric tensors."""

    fault: str
    cases: int = 0
    right: int = 0
    fixable: int = 0
    fixed: int = 0
    apart: int = 0
    apart_right: int = 0
    seconds: float = 0.0


def measure(label: str, cases: Iterator[Case], show: bool) -> Row:
    """Diagnose the cases of one fault and print a line."""
    row = Row(label)
    for case in cases:
        start = time.process_time()
        answer = diagnose(case.reference, case.board, case.declared, context=case.context)
        row.seconds += time.process_time() - start
        right = is_right(answer, case)
        if tiny(case.reference):
            row.apart += 1
            row.apart_right += right or either(answer, case)
            continue
        row.cases += 1
        row.right += right
        fixed = repaired(answer, case)
        row.fixable += fixed is not None
        row.fixed += bool(fixed)
        if show and not (right and fixed is not False):
            kinds = [sorted(kind) for kind in case.expected]
            print(
                "WRONG",
                label,
                list(case.reference.shape),
                kinds,
                answer.verdict,
                answer.text[:240],
                flush=True,
            )
            print("   r", round(answer.r, 4), "fixed", fixed, [cause.kind for cause in answer.runner_up])
    fixed_words = f"fixed {row.fixed} of {row.fixable}" if row.fixable else ""
    each = row.seconds / max(1, row.cases + row.apart)
    print(f"{label:<36}{row.right:>4} of {row.cases:<4}{fixed_words:<18}{each:>6.2f} s each", flush=True)
    return row


def total(rows: list[Row]) -> dict[str, object]:
    """Add rows up."""
    cases = sum(row.cases for row in rows)
    all_of_them = cases + sum(row.apart for row in rows)
    return {
        "cases": cases,
        "right": sum(row.right for row in rows),
        "share": round(sum(row.right for row in rows) / max(1, cases), 4),
        "fixable": sum(row.fixable for row in rows),
        "fix_passes": sum(row.fixed for row in rows),
        "tiny_or_symmetric": sum(row.apart for row in rows),
        "tiny_right_or_either": sum(row.apart_right for row in rows),
        "mean_cpu_s": round(sum(row.seconds for row in rows) / max(1, all_of_them), 3),
        "not_all_right": {row.fault: f"{row.right}/{row.cases}" for row in rows if row.right < row.cases},
    }


def tiny(reference: Array) -> bool:
    """Say whether a tensor is too small, too constant or too symmetric to be judged by the same rule."""
    flat = reference.reshape(-1)
    if flat.size < 64 or len(numpy.unique(flat)) < 12:
        return True
    return any(
        numpy.array_equal(numpy.flip(reference, axis), reference)
        for axis in range(reference.ndim)
        if reference.shape[axis] > 1
    )


def is_right(answer: Diagnosis, case: Case) -> bool:
    """Say whether the named causes are the expected ones, each once, and no other."""
    return answer.verdict == "named" and matches([cause.kind for cause in answer.causes], case)


def either(answer: Diagnosis, case: Case) -> bool:
    """Say whether an ambiguous answer holds the right causes."""
    sides = (answer.causes, answer.runner_up)
    return answer.verdict == "ambiguous" and any(
        matches([cause.kind for cause in side], case) for side in sides
    )


def matches(kinds: list[str], case: Case) -> bool:
    """Assign kinds to what was expected, one to one."""
    left = list(kinds)
    for accepted in sorted(case.expected, key=len):
        hit = next((kind for kind in left if kind in accepted), None)
        if hit is None:
            return False
        left.remove(hit)
    return not left


def repaired(answer: Diagnosis, case: Case) -> bool | None:
    """Apply the fix and compare again: 30 dB, or what 8 bits leave; None where no fix can be."""
    if not case.fixable:
        return None
    if answer.repair is None or answer.verdict not in ("named", "ambiguous"):
        return False
    values = answer.repair.values(case.board)
    error = numpy.square(values - case.reference)
    seen = numpy.isfinite(error)
    if seen.mean() < 0.7:
        return False
    low, high = min(0.0, float(case.reference.min())), max(0.0, float(case.reference.max()))
    noise = ((high - low) / 255) ** 2 / 12
    allowed = max(1e-3 * variance(case.reference), 2.5 * noise)
    return bool(math.isfinite(allowed) and float(error[seen].mean()) <= allowed)


if __name__ == "__main__":
    main()
