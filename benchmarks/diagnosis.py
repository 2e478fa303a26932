"""Name the causes of faults that are put into real activations, and count how often that is right.

    python -m benchmarks.diagnosis [--half held-out] [--tensors 20] [--only FAULT]

Needs the extra `ocr`. Thresholds were chosen on `--half development`. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator

import numpy

from benchmarks.diagnosis_cases import FAULTS, PAIRS, Case, made, unrelated
from benchmarks.diagnosis_tensors import Array, tensors
from deploykit.align.diagnosis import Diagnosis, diagnose
from deploykit.align.diagnosis.value_fits import variance


def main() -> None:
    """Measure single faults, pairs of faults, and pairs of tensors without a cause."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", default="held-out", choices=("development", "held-out"))
    parser.add_argument("--tensors", type=int, default=20, help="tensors a fault")
    parser.add_argument("--only", default="", help="one fault, one pair as A+B, or `none`")
    parser.add_argument("--wrong", action="store_true", help="print every wrong answer")
    options = parser.parse_args()
    found = tensors(options.half, 60)
    tables = {}
    for name, faults in (
        ("single", {name: (fault,) for name, fault in FAULTS.items()}),
        ("double", {f"{a.__name__}+{b.__name__}": (a, b) for a, b in PAIRS}),
    ):
        cases = (
            case
            for label, chain in faults.items()
            if options.only in ("", label)
            for case in _cases(label, chain, found, options.tensors)
        )
        tables[name] = count(cases, options.wrong)
    negatives = (
        []
        if options.only not in ("", "none")
        else list(unrelated(found, 220, numpy.random.default_rng(3)))[:200]
    )
    false = [case for case in negatives if _named(case, options.wrong)]
    wrong_words = (
        [
            case
            for case in negatives
            if diagnose(case.reference, case.board, case.declared).verdict != case.fault
        ]
        if negatives
        else []
    )
    result = {
        "benchmark": "diagnosis",
        "half": options.half,
        **tables,
        "unrelated_or_noisy": len(negatives),
        "false_causes": len(false),
        "noise_and_unrelated_told_apart": len(negatives) - len(wrong_words),
    }
    print(json.dumps(result))


def _named(case: Case, show: bool) -> bool:
    answer = diagnose(case.reference, case.board, case.declared)
    wrong = answer.verdict in ("named", "ambiguous")
    if wrong and show:
        print("FALSE", case.fault, list(case.reference.shape), answer.text[:200])
    return wrong


def _cases(
    label: str, chain: tuple[object, ...], found: list[tuple[str, Array]], wanted: int
) -> Iterator[Case]:
    """Give `wanted` cases over the tensors in order; small or constant ones are in `ambiguous_allowed`."""
    random = numpy.random.default_rng(zlib.crc32(label.encode()))
    made_ones = 0
    for start in random.permutation(len(found)):
        case = made(label, chain, found[int(start)][1], random)  # type: ignore[arg-type]  # Fault functions
        if case is not None:
            made_ones += 1
            yield case
        if made_ones == wanted:
            return


def count(cases: Iterator[Case], show: bool) -> dict[str, object]:
    """Diagnose and print a row a fault."""
    rows: dict[str, list[tuple[bool, bool, bool | None, float]]] = defaultdict(list)
    apart = [0, 0]
    for case in cases:
        start = time.process_time()
        answer = diagnose(case.reference, case.board, case.declared, context=case.context)
        seconds = time.process_time() - start
        right = is_right(answer, case)
        if tiny(case.reference):
            apart[0] += right or either(answer, case)
            apart[1] += 1
            continue
        rows[case.fault].append((right, answer.verdict == "ambiguous", repaired(answer, case), seconds))
        if not right and show:
            kinds = [sorted(kind) for kind in case.expected]
            print(
                "WRONG",
                case.fault,
                list(case.reference.shape),
                kinds,
                "|",
                answer.verdict,
                answer.text[:260],
                "| r",
                round(answer.r, 4),
                "runner up",
                [cause.kind for cause in answer.runner_up],
            )
    for fault, outcomes in rows.items():
        fixes = [fix for _, _, fix, _ in outcomes if fix is not None]
        slowest = max(seconds for _, _, _, seconds in outcomes)
        hits = sum(right for right, *_ in outcomes)
        fixed = f"fixed {sum(fixes)} of {len(fixes)}" if fixes else ""
        print(f"{fault:<34}{hits:>4} of {len(outcomes):<4}{fixed:<16}{slowest:>6.2f} s", flush=True)
    flat = [outcome for outcomes in rows.values() for outcome in outcomes]
    fixes = [fix for _, _, fix, _ in flat if fix is not None]
    return {
        "cases": len(flat),
        "right": sum(right for right, *_ in flat),
        "share": round(sum(right for right, *_ in flat) / max(1, len(flat)), 4),
        "fix_passes": sum(fixes),
        "fixable": len(fixes),
        "tiny_right_or_either": apart[0],
        "tiny": apart[1],
        "mean_s": round(sum(seconds for *_, seconds in flat) / max(1, len(flat)), 3),
        "worst": {
            fault: f"{sum(r for r, *_ in o)}/{len(o)}"
            for fault, o in rows.items()
            if not all(r for r, *_ in o)
        },
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
    noise = (float(numpy.ptp(case.reference)) / 255) ** 2 / 12
    allowed = max(1e-3 * variance(case.reference), 2.5 * noise)
    return bool(math.isfinite(allowed) and float(error[seen].mean()) <= allowed)


if __name__ == "__main__":
    main()
