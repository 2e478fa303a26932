"""What `deploykit llm` prints: tables of 100 columns, and the same as plain values for JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from deploykit.analysis.llm.costs import Block, LlmCost, PhaseCost
from deploykit.analysis.llm.curves import CurvePoint
from deploykit.analysis.llm.memory import count_parameters
from deploykit.analysis.llm.speculative import SpeculativeCost
from deploykit.core.codec import to_plain
from deploykit.reports import units

KINDS = ("weight_bytes", "read_bytes", "write_bytes", "kv_read_bytes", "kv_write_bytes")


def plain(cost: LlmCost) -> dict[str, Any]:
    """Give all figures as dicts, lists and scalars."""
    return {
        "config": to_plain(cost.config),
        "chip": cost.chip,
        "engine": cost.engine,
        "roofline": to_plain(cost.roofline),
        "params": to_plain(cost.params),
        "prefill": _plain_phase(cost.prefill),
        "decode": _plain_phase(cost.decode),
        "memory": {**to_plain(cost.memory), "peak_bytes": cost.memory.peak_bytes},
        "time_to_first_token_s": cost.time_to_first_token_s,
        "decode_time_s": cost.decode_time_s,
        "spec_decode_time_s": cost.spec_decode_time_s,
        "decode_rate": to_plain(cost.rate) if cost.rate else None,
        "tokens_per_s": cost.tokens_per_s,
        "interval": None if cost.interval is None else to_plain(cost.interval),
    }


def _plain_phase(phase: PhaseCost) -> dict[str, Any]:
    totals = {kind: phase.total(kind) for kind in ("ops", *KINDS, "exchange_bytes")}
    blocks = []
    for block in phase.blocks:
        rows = [
            {**to_plain(item), "operator": {**to_plain(item.operator), "ops": item.operator.ops}}
            for item in block.operators
        ]
        blocks.append({"name": block.name, "count": block.count, "time_s": block.time_s, "operators": rows})
    return {
        **to_plain(phase.phase),
        **totals,
        "time_s": phase.time_s,
        "time_by_bound_s": phase.time_by_bound(),
        "blocks": blocks,
    }


def lines(cost: LlmCost, engines: int) -> Iterator[str]:
    """Give the table of both phases, and the summary; `engines` is how many the chip has."""
    params, roof = cost.params, cost.roofline
    count = units.quantity(count_parameters(cost.config), "parameters")
    yield (
        f"{cost.config.family}, {count} on {cost.chip}, "
        f"1 of {engines} {cost.engine}: {roof.scheme} {units.quantity(roof.peak_ops_per_s, 'ops/s')}, "
        f"{units.quantity(roof.bandwidth_bytes_per_s, 'B/s')}; accounting: {params.accounting}"
    )
    for phase in (cost.prefill, cost.decode):
        yield from _phase_lines(phase, params.batch)
    if params.tensor_parallel > 1:
        yield ""
        yield f"Each of {params.tensor_parallel} chips; figures are those of one."
        if roof.link_bytes_per_s is None:
            yield "The exchange between them is not in the times: give --link-bytes-per-s."
    yield from _summary(cost)


def _phase_lines(phase: PhaseCost, batch: int) -> Iterator[str]:
    word = "tokens" if phase.phase.tokens > 1 else "token"
    yield ""
    yield f"{phase.phase.name}: {batch} x {phase.phase.tokens} {word} after {phase.phase.past}"
    heads = ("weights", "read", "written", "KV read", "KV write", "ops/B", "bound", "time")
    yield f"{'':<21}{'ops':>7}" + "".join(f"{head:>9}" for head in heads)
    for block in phase.blocks:
        yield f"{block.name} x {block.count}" if block.count > 1 else block.name
        yield from _block_lines(block)
    yield _row(
        "whole",
        phase.total("ops"),
        [phase.total(kind) for kind in KINDS],
        next(iter(phase.time_by_bound())),
        phase.time_s,
    )


def _block_lines(block: Block) -> Iterator[str]:
    for item in block.operators:
        operator = item.operator
        if operator.exchange_bytes:
            told = f"{units.size(operator.exchange_bytes)} to another chip"
            yield f"  {operator.name:<20}{told:>69}{units.duration(item.time_s or None):>9}"
            continue
        moved = [getattr(operator, kind) for kind in KINDS]
        yield _row(f"  {operator.name}", operator.ops, moved, item.bound, item.time_s)


def _row(name: str, ops: int, moved: list[int], bound: str, time_s: float) -> str:
    cells = [units.size(part) if part else "" for part in moved]
    cells += [units.digits(ops / sum(moved)), bound, units.duration(time_s)]
    return f"{name:<21}{units.quantity(ops, ''):>7}" + "".join(f"{cell:>9}" for cell in cells)


def _summary(cost: LlmCost) -> Iterator[str]:
    params, memory = cost.params, cost.memory
    last = params.prompt + params.generate - 1
    yield ""
    yield f"weights               {units.size(memory.weight_bytes)}"
    yield f"KV cache              {units.size(memory.kv_bytes)} at {last} tokens of each sequence"
    yield f"activations           {units.size(memory.activation_bytes)} at most, in the prompt"
    yield f"peak memory           {units.size(memory.peak_bytes)}"
    yield f"time to first token   {units.duration(cost.time_to_first_token_s)}"
    yield f"tokens per second     {units.digits(cost.tokens_per_s)}, all sequences together"
    if cost.rate is not None:
        spec = cost.tokens_per_s * cost.decode_time_s / cost.spec_decode_time_s
        yield f"  the roofline alone  {units.digits(spec)}"
        said = f"fitted on {cost.rate.source}; each model predicted from the others: mean error "
        said += f"{units.percent(cost.rate.mean_error)}, largest {units.percent(cost.rate.largest_error)}"
        yield from textwrap.wrap(said, 100, initial_indent="  ", subsequent_indent="    ")
    if cost.interval is not None:
        low, high = cost.interval.low_factor, cost.interval.high_factor
        yield f"times may be          {low:.2f} to {high:.2f} times what stands here"
        for reason in cost.interval.reasons:
            yield from textwrap.wrap(reason, 100, initial_indent="  ", subsequent_indent="    ")


def print_curves(points: Sequence[CurvePoint], axes: tuple[str, ...], form: str) -> None:
    """Print a row for each point of the grid."""
    if form == "json":
        rows = [dict(zip(axes, point.values, strict=True)) | to_plain(point) for point in points]
        print(json.dumps(rows, indent=2))
        return
    heads = [*axes, "first token", "tokens/s", "decode bound", "KV cache", "peak memory"]
    print("".join(f"{head:>16}" if head in axes else f"{head:>14}" for head in heads))
    for point in points:
        cells = [
            units.duration(point.time_to_first_token_s),
            units.digits(point.tokens_per_s),
            point.decode_bound,
            units.size(point.kv_bytes),
            units.size(point.peak_bytes),
        ]
        print("".join(f"{value:>16g}" for value in point.values) + "".join(f"{cell:>14}" for cell in cells))


def speculative_lines(cost: SpeculativeCost | None) -> Iterator[str]:
    """Say what a draft model changes, if there is one."""
    if cost is None:
        return
    count = units.quantity(count_parameters(cost.draft), "parameters")
    yield ""
    yield (
        f"drafted by {cost.draft.family}, {count}: {cost.draft_tokens} tokens a round, "
        f"{100 * cost.acceptance:.0f} % of them kept"
    )
    yield f"tokens a round        {units.digits(cost.tokens_per_round)}"
    yield f"a draft step          {units.duration(cost.draft_step_s)}"
    yield f"the check of a round  {units.duration(cost.verify_s)}"
    yield f"peak memory           {units.size(cost.peak_bytes)}, both models"
    yield f"tokens per second     {units.digits(cost.tokens_per_s)}, {units.digits(cost.speedup)} x as many"
