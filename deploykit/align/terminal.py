"""A comparison as plain text of at most 100 columns."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator

from deploykit.align.result import Diff, TensorDiff

WIDTH = 100
NAME = 36
VERDICTS = {True: "ok", False: "FAIL", None: "-"}


def text_of(diff: Diff) -> str:
    """Write the table, what is behind each failure, and the verdict."""
    compared = [item for item in diff.tensors if item.status == "compared"]
    lines = [
        *_wrapped(f"reference  {diff.reference} ({diff.read_as[0]})"),
        *_wrapped(f"board      {diff.board} ({diff.read_as[1]})"),
        "",
        *_table(compared),
    ]
    for item in compared:
        lines += _failure(item)
    lines += [*_over_time(diff), *_steps(diff), *_layers(diff)]
    others = [item for item in diff.tensors if item.incomplete]
    if others:
        lines += ["", "not compared"]
        for item in others:
            lines += _wrapped(f"{_word(item)} {item.name}: {_why(item)}", "    ")
    notes = [*diff.notes, *dict.fromkeys(f"{item.name}: {note}" for item in compared for note in item.notes)]
    lines += ["", *(line for note in notes for line in _wrapped(f"note: {note}", "    "))] if notes else []
    return "\n".join([*lines, "", *_verdict(diff, compared)])


def _table(tensors: list[TensorDiff]) -> Iterator[str]:
    if not tensors:
        return
    head = f"{'tensor':<{NAME}} {'':<4} {'1 - cosine':>11} {'relative L2':>11}"
    yield f"{head} {'SQNR dB':>8} {'max abs':>10} {'frames':>7}"
    for item in tensors:
        m = item.measures
        yield (
            f"{_short(item.name):<{NAME}} {VERDICTS[item.passed]:<4} {_number(m['cosine_distance']):>11} "
            f"{_number(m['relative_l2']):>11} {_decibel(m['sqnr_db']):>8} {_number(m['max_abs']):>10} "
            f"{len(item.frames):>7}"
        )


def _short(name: str) -> str:
    """Shorten a name in its middle: both ends tell layers apart."""
    half = (NAME - 2) // 2
    return name if len(name) <= NAME else f"{name[:half]}..{name[-half:]}"


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.3g}"


def _decibel(value: float) -> str:
    return "equal" if value == math.inf else f"{value:.1f}"


def _failure(item: TensorDiff) -> Iterator[str]:
    """Say what is behind a failure: the limit, the place, the causes."""
    if item.passed is not False:
        return
    yield ""
    yield from _wrapped(f"{item.name}: {item.reason}", "    ")
    if item.max_abs_index:
        greatest = item.measures["max_abs"]
        limit = re.search(r"max_abs<=([^,]+)", item.judged_by)
        allowed = f" (at most {limit[1]} allowed)" if limit else ""
        yield f"    greatest absolute difference {greatest:.6g} at {_place(item.max_abs_index)}{allowed}"
    lost = {name.replace("_", " of the "): count for name, count in item.nonfinite.items() if count}
    if lost:
        counts = ", ".join(f"{count} {name}" for name, count in lost.items())
        yield from _wrapped(f"    {counts}; the first at {_place(item.nonfinite_index)}", "    ")
    if len(item.sqnr_db_by_frame) > 1:
        worst = min(range(len(item.frames)), key=lambda at: item.sqnr_db_by_frame[at])
        yield f"    worst frame {item.frames[worst]}: SQNR {_decibel(item.sqnr_db_by_frame[worst])} dB"
    yield from _details(item)
    yield from _diagnosis(item)


def _details(item: TensorDiff) -> Iterator[str]:
    """Say what `--details` has measured."""
    words = []
    frames = item.details.get("by_frame", ())
    channels = [frame["sqnr_db_by_channel"] for frame in frames if frame["sqnr_db_by_channel"]]
    if channels:
        worst = [min(values) for values in zip(*channels, strict=True)]
        at = worst.index(min(worst))
        words.append(f"worst channel {at}: SQNR {_decibel(worst[at])} dB")
    if "one_step" in item.measures:
        words.append(f"{100 * item.measures['one_step']:.4g} % within one step ({frames[0]['steps_of']})")
    if item.measures.get("saturated"):
        words.append(f"{100 * item.measures['saturated']:.4g} % of the codes saturated")
    if "p99_abs" in item.measures:
        words.append(f"99 % of the differences below {item.measures['p99_abs']:.3g}")
    if words:
        yield from _wrapped(f"    {'; '.join(words)}", "        ")


def _diagnosis(item: TensorDiff) -> Iterator[str]:
    """Say what a diagnosis found: each cause with the lines that undo it."""
    if not item.diagnosis:
        return
    share = item.diagnosis.get("explained")
    known = f" ({100 * share:.4g} % of the error)" if item.causes and share is not None else ""
    yield from _wrapped(f"    diagnosis: {item.diagnosis['verdict']}{known}", "        ")
    for word, causes in (("cause", item.causes), ("or", item.diagnosis.get("runner_up", ()))):
        for cause in causes:
            yield from _wrapped(f"        {word}: {cause['explanation']}", "            ")
            yield from (f"            {line}" for line in str(cause["fix"]).splitlines())


def _over_time(diff: Diff) -> Iterator[str]:
    """Say what only several frames show."""
    if diff.over_time:
        yield from ("", "over time")
    for item in diff.over_time:
        also = f" (and {item['also']} other tensors)" if item["also"] else ""
        sure = f" [{100 * item['confidence']:.0f} % of the frames that tell]" if item["confidence"] else ""
        yield from _wrapped(
            f"    {item['tensor']}{also}: {item['kind']}: {item['explanation']}{sure}", "        "
        )


def _steps(diff: Diff) -> Iterator[str]:
    """Show each step from dump to dump, and the one that broke."""
    if not diff.steps:
        return
    yield ""
    head = f"{'step':<{NAME}} {'median L2':>11} {'worst L2':>11}"
    yield f"{head} {'failed':>8} {'jump here':>10} {'tensors':>7}"
    for step in diff.steps:
        name = _short(f"{step['before']} -> {step['after']}")
        failed, jumps = len(step["failed"]), len(step["jumps"])
        yield (
            f"{name:<{NAME}} {_number(step['median']):>11} {_number(step['worst']):>11} "
            f"{failed:>8} {jumps:>10} {len(step['errors']):>7}"
        )
    yield from _wrapped(f"the step that broke: {diff.broken_step}", "    ")


def _layers(diff: Diff) -> Iterator[str]:
    """Show two columns: the error that a tensor carries, and its layer's own on the board's inputs."""
    if not diff.layers:
        return
    yield ""
    yield f"{'relative error':<{NAME}} {'operator':<18} {'accumulated':>11} {'alone':>11} {'fp16':>11}"
    for layer in diff.layers:
        name, op = _short(layer["tensor"]), layer["op"][:18]
        if layer["alone"] is None:
            yield from _wrapped(
                f"{name:<{NAME}} {op:<18} {_number(layer['accumulated']):>11} {layer['reason']}"
            )
            continue
        columns = " ".join(f"{_number(layer[key]):>11}" for key in ("accumulated", "alone", "fp16"))
        yield f"{name:<{NAME}} {op:<18} {columns}" + (" <" if layer["wrong"] else "")
    yield from _wrapped(f"layer by layer: {diff.layers_verdict}", "    ")
    for line in diff.around:
        yield from _wrapped(f"    {line}", "        ")


def _place(index: tuple[int, ...]) -> str:
    frame, *inside = index
    return f"{inside}" + (f" of frame {frame}" if frame else "")


def _word(item: TensorDiff) -> str:
    return "incomplete" if item.status == "compared" else item.status


def _why(item: TensorDiff) -> str:
    if item.status == "compared":
        shown = ", ".join(map(str, item.frames_missing[:8])) + (
            ", ..." if len(item.frames_missing) > 8 else ""
        )
        return f"frames {shown} are on one side only ({len(item.frames_missing)} in all)"
    return item.reason


def _verdict(diff: Diff, compared: list[TensorDiff]) -> Iterator[str]:
    if diff.first_divergence:
        yield from _wrapped(f"first divergence: {diff.first_divergence}: {diff.divergence_reason}", "    ")
    elif any(item.passed is False for item in compared):
        yield from _wrapped(f"first divergence: none named: {diff.divergence_reason}", "    ")
    limits = dict.fromkeys(item.judged_by for item in compared if item.judged_by)
    yield from _wrapped(f"judged by {'; '.join(limits) or 'no limits'}", "    ")
    failed = sum(item.passed is False for item in compared)
    missing = sum(item.incomplete for item in diff.tensors)
    word = {0: "MATCH", 1: "MISMATCH", 4: "INCOMPLETE"}[diff.exit_code]
    yield f"{word}: {len(compared)} compared, {failed} failed, {missing} not or not wholly compared"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
