"""`deploykit llm`: a language model on a chip, from its `config.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploykit.cli.options import format_option
from deploykit.core.profile import load_profile
from deploykit.reports import units

if TYPE_CHECKING:
    from deploykit.analysis.llm.costs import Block, LlmCost, PhaseCost

KINDS = ("weight_bytes", "read_bytes", "write_bytes", "kv_read_bytes", "kv_write_bytes")


class FiniteRange(click.FloatRange):
    """A number in a range; "nan" is none, though it compares as if it were in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a value, or fail."""
        number = super().convert(value, param, ctx)
        return (
            number if math.isfinite(number) else self.fail(f"{value!r} is not a finite number.", param, ctx)
        )


BITS = FiniteRange(min=1, max=32)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each field of `LlmParams`."""
    options = (
        click.option("--prompt", type=click.IntRange(1, 2**24), default=2048, help="Tokens of the prompt."),
        click.option("--generate", type=click.IntRange(2, 2**24), default=128, help="Tokens that come out."),
        click.option("--batch", type=click.IntRange(1, 2**16), default=1, help="Sequences at a time."),
        click.option(
            "--weight-bits", type=BITS, default=16, help="Bits of a weight, scales included (4.125)."
        ),
        click.option("--activation-bits", type=BITS, default=16, help="Bits of an activation."),
        click.option("--kv-bits", type=BITS, default=16, help="Bits of a value in the key-value cache."),
        click.option("--flash", is_flag=True, help="Keep the scores of the attention on chip."),
        click.option(
            "--tensor-parallel", type=click.IntRange(1, 4096), default=1, help="Chips that share a layer."
        ),
        click.option(
            "--link-bytes-per-s",
            type=FiniteRange(min=1e6),
            show_default="their exchange takes no time",
            help="Bandwidth between those chips.",
        ),
        click.option(
            "--accounting",
            type=click.Choice(["clean", "published"]),
            default="clean",
            help="`published`: as the printed table of LLM-Viewer counts.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("llm", context_settings={"show_default": True})
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--chip", required=True, help="A chip profile: its name, or a YAML file.")
@_options
@format_option
def command(config: Path, chip: str, form: str, **options: Any) -> None:
    """Cost the language model of CONFIG (its config.json) on a chip: prompt, decode, memory, speed."""
    from deploykit.analysis.llm.config import read_config
    from deploykit.analysis.llm.costs import cost_llm
    from deploykit.analysis.llm.params import LlmParams

    model = read_config(config)
    profile, _ = load_profile(chip, beside=Path.cwd())
    cost = cost_llm(model, profile, LlmParams(**options), where=str(config))
    if form == "json":
        print(json.dumps(_plain(cost), indent=2))
        return
    for line in _lines(cost, profile.engines[0].count):
        print(line)


def _plain(cost: LlmCost) -> dict[str, Any]:
    from deploykit.core.codec import to_plain

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
        "tokens_per_s": cost.tokens_per_s,
    }


def _plain_phase(phase: PhaseCost) -> dict[str, Any]:
    from deploykit.core.codec import to_plain

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


def _lines(cost: LlmCost, engines: int) -> Iterator[str]:
    from deploykit.analysis.llm.memory import count_parameters

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
