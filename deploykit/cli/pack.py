"""`deploykit pack`: offsets for buffers of known lifetimes."""

from __future__ import annotations

from pathlib import Path

import click

from deploykit.analysis.lifetime_file import LifetimeTable, read_lifetimes, write_offsets
from deploykit.core.bounds import SolveBound
from deploykit.solve.memory.certificate import Instant, fullest_instant
from deploykit.solve.memory.cp_sat import pack_beside
from deploykit.solve.memory.pack import pack
from deploykit.solve.memory.validate import packing_faults

NAMED = 10
"""Tensors that a certificate names, the largest first."""


@click.command("pack")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--capacity", type=click.IntRange(min=1), help="Bytes that there are; without it: as few as can be."
)
@click.option(
    "--alignment", type=click.IntRange(min=1), default=1, help="Offsets and sizes are multiples of it."
)
@click.option(
    "--nodes", type=click.IntRange(min=0), default=1_000_000, show_default=True, help="How far to search."
)
@click.option(
    "--cp-sat", is_flag=True, help="Let CP-SAT (pip install 'deploykit[cp-sat]') search on another core."
)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="Write the offsets as CSV."
)
def command(
    file: Path, capacity: int | None, alignment: int, nodes: int, cp_sat: bool, output: Path | None
) -> int:
    """Give each buffer of FILE an offset, so that none who live at one time share a byte.

    FILE is CSV with the columns id, lower, upper, size: minimalloc's. A buffer is alive over [lower, upper).
    """
    if alignment & (alignment - 1):
        raise click.UsageError(f"--alignment {alignment} is no power of two")
    table = read_lifetimes(file, alignment=alignment)
    method = pack_beside if cp_sat else pack
    packing = method(table.problem, node_limit=nodes, capacity=capacity)
    faults = packing_faults(table.problem, packing.offsets, height=packing.bound.objective)
    if faults:  # ours: a method that breaks the rules never gets further
        raise AssertionError("; ".join(faults))
    print(verdict(packing.bound, table, capacity))
    if packing.bound.status in ("infeasible", "unknown"):
        return 1
    if output is not None:
        write_offsets(output, table, packing.offsets)
        print(f"offsets: {output}")
    return 0


def verdict(bound: SolveBound, table: LifetimeTable, capacity: int | None) -> str:
    """Say what is known of the buffers: how low they go, or why they don't fit."""
    work = f"({bound.method}; {bound.steps:,} nodes)"
    if capacity is not None and bound.status == "infeasible":
        return _certificate(bound, table, capacity)
    if capacity is not None and bound.status == "unknown":
        return (
            f"unknown: no packing of {capacity:,} bytes was found, and none was ruled out {work}\n"
            f"the lowest that was met takes {bound.objective:,} bytes, {_gap(bound)} the bound of "
            f"{bound.lower_bound:,}; --nodes searches further"
        )
    room = "" if capacity is None else f" of {capacity:,}"
    if bound.status == "optimal":
        return f"optimal: {bound.objective:,} bytes{room}, and nothing takes less {work}"
    return (
        f"feasible within {_gap(bound)} the bound: {bound.objective:,} bytes{room}, bound "
        f"{bound.lower_bound:,} {work}"
    )


def _gap(bound: SolveBound) -> str:
    return f"{100 * bound.gap:.2f} % of" if bound.status == "feasible" else f"{100 * bound.gap:.2f} % above"


def _certificate(bound: SolveBound, table: LifetimeTable, capacity: int) -> str:
    instant = fullest_instant(table.problem)
    missing = bound.lower_bound - capacity
    if instant.size > capacity:
        return (
            f"infeasible: needs {missing:,} bytes more than {capacity:,}. At time {instant.time} "
            f"{instant.size:,} bytes are alive:\n{_alive(instant, table)}"
        )
    return (
        f"infeasible: needs at least {missing:,} bytes more than {capacity:,}. No time has more than "
        f"{instant.size:,} bytes alive, but the search has been through all packings ({bound.steps:,} "
        f"nodes). The fullest time is {instant.time}:\n{_alive(instant, table)}"
    )


def _alive(instant: Instant, table: LifetimeTable) -> str:
    lines = [
        f"  {table.names[index]}: {table.problem.sizes[index]:,} bytes" for index in instant.alive[:NAMED]
    ]
    more = instant.alive[NAMED:]
    if more:
        rest = sum(table.problem.sizes[index] for index in more)
        lines.append(f"  and {len(more)} more: {rest:,} bytes")
    return "\n".join(lines)
