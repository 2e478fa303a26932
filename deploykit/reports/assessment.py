"""The answer of `deploykit assess` in a terminal, at most 100 columns wide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from deploykit.artifacts.advice import Advice, Headroom
from deploykit.artifacts.assessment import (
    Assessment,
    ChipAssessment,
    NetworkAssessment,
    SchemeFigures,
    ToolchainCoverage,
)
from deploykit.core.codec import to_plain
from deploykit.reports import units
from deploykit.reports.text import WIDTH, plain_table

OPERATOR_LINES = 4
NAMES = 3
LEAST_GAIN = 0.01
_FITS = {True: "yes", False: "no", None: "yes, if the memory is enough"}


def print_assessment(view: Assessment, console: Console) -> None:
    """Print the ranking, the figures at every precision, then what each chip has to be told about."""
    width = min(WIDTH, console.width)
    console.print(_ranking(view), width=width)
    console.print(_precisions(view), width=width)
    for place, chip in enumerate(view.chips, 1):
        lines = list(_remarks(chip))
        if lines:
            console.print(Text(f"{place}. {chip.chip}: {units.printable(chip.title)}", "bold"), width=width)
        for line in lines:
            console.print(Padding(_text(line), (0, 0, 0, 3)), width=width, highlight=False)


def assessment_json(view: Assessment) -> str:
    """Give all figures as JSON, those that follow from others too (fits, utilisation, runs_per_s ...)."""
    return json.dumps({"chips": [_plain_chip(chip) for chip in view.chips]}, indent=2)


def _plain_chip(chip: ChipAssessment) -> dict[str, Any]:
    return {
        **to_plain(chip),
        "fits": chip.fits,
        "dram_bytes": chip.dram_bytes,
        "latency_s": chip.latency_s,
        "networks": [_plain_network(network) for network in chip.networks],
    }


def _plain_network(network: NetworkAssessment) -> dict[str, Any]:
    figures = [
        {
            **to_plain(item),
            "runs_per_s": item.runs_per_s,
            "bound": item.bound,
            "utilisation": item.utilisation,
            "memory": {**to_plain(item.memory), "dram_bytes": item.memory.dram_bytes},
        }
        for item in network.figures
    ]
    advice = [{**to_plain(item), "gain_share": item.gain_share} for item in network.advice]
    return {**to_plain(network), "label": network.label, "figures": figures, "advice": advice}


def _ranking(view: Assessment) -> Table:
    table = plain_table("latency of one run, alone on the chip")
    table.add_column("")
    for name in ("chip", "network"):
        table.add_column(name, overflow="fold")
    known = any(network.figures[0].low_s is not None for chip in view.chips for network in chip.networks)
    for name in ("latency", *(("interval",) if known else ()), "runs/s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("bound", no_wrap=True)
    for name in ("of TOPS", "on engine"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, chip in enumerate(view.chips, 1):
        for number, network in enumerate(chip.networks):
            head = (f"{place}", chip.chip) if number == 0 else ("", "")
            table.add_row(*map(_text, (*head, *_ranking_cells(network, known))))
        if not chip.networks:
            table.add_row(f"{place}", chip.chip, "not assessed")
    return table


def _ranking_cells(network: NetworkAssessment, known: bool) -> Iterator[str]:
    figures, coverage = network.figures[0], network.coverage
    yield network.label
    yield units.duration(figures.time_s)
    if known:
        yield units.NOTHING if figures.low_s is None else _interval(figures)
    yield units.digits(figures.runs_per_s)
    share = dict(figures.bound_s)[figures.bound] / figures.time_s if figures.time_s > 0 else 0.0
    yield f"{figures.bound} {units.percent(share)}"
    yield units.percent(figures.utilisation)
    yield f"{coverage.nodes_on_engine}/{coverage.nodes}"


def _interval(figures: SchemeFigures) -> str:
    low, high = units.duration(figures.low_s), units.duration(figures.high_s)
    return units.NOTHING if low == high else f"{low} to {high}"


def _precisions(view: Assessment) -> Table:
    table = plain_table("every precision of the main engine; the first one is the answer above")
    for name in ("chip", "network"):
        table.add_column(name, overflow="fold")
    table.add_column("precision", no_wrap=True)
    for name in ("kept", "latency", "weights", "activations", "on chip", "DRAM"):
        table.add_column(name, justify="right", no_wrap=True)
    for chip in view.chips:
        for network in chip.networks:
            for number, figures in enumerate(network.figures):
                head = (chip.chip, network.label) if number == 0 else ("", "")
                table.add_row(*map(_text, (*head, *_precision_cells(figures))))
    return table


def _precision_cells(figures: SchemeFigures) -> Iterator[str]:
    memory = figures.memory
    yield figures.scheme
    yield str(figures.kept) if figures.kept else ""
    yield units.duration(figures.time_s)
    yield units.size(memory.weight_bytes)
    yield units.size(memory.activation_bytes) + (" +?" if memory.unsized else "")
    yield units.size(memory.on_chip_bytes)
    yield units.size(memory.dram_bytes)


def _remarks(chip: ChipAssessment) -> Iterator[str]:
    if chip.networks:
        yield f"fits: {_FITS[chip.fits]}"
    yield from chip.reasons
    if chip.networks:
        yield _memory_remark(chip)
    several = len(chip.networks) > 1
    shared = _shared_notices(chip) if several else []
    for network in chip.networks:
        for line in _network_remarks(network):
            if line not in shared:
                yield f"{network.label}: {line}" if several else line
    yield from shared
    if chip.networks:
        yield from _power_remarks(chip)
    yield from _order_remarks(chip)


def _memory_remark(chip: ChipAssessment) -> str:
    size = "an unknown size" if chip.dram_size_bytes is None else units.size(chip.dram_size_bytes)
    return f"memory: {units.size(chip.dram_bytes)} of {size}"


def _shared_notices(chip: ChipAssessment) -> list[str]:
    """Give the notices that several networks have: they are the chip's."""
    told = [notice for network in chip.networks for notice in network.notices]
    return [notice for notice in dict.fromkeys(told) if told.count(notice) > 1]


def _network_remarks(network: NetworkAssessment) -> Iterator[str]:
    coverage, figures = network.coverage, network.figures[0]
    time_s = figures.time_s
    if figures.most_runs_per_s > 1.05 * figures.runs_per_s:
        yield f"all engines at once: at most {units.digits(figures.most_runs_per_s)} runs/s"
    if figures.roofline_s != time_s:
        roofline = units.duration(figures.roofline_s)
        yield f"calibrated on measured networks; the data sheet's roofline: {roofline}"
    if figures.energy_j is not None:
        yield f"energy of a run: {_joules(figures.energy_j)}"
    for item in coverage.off_engine[:OPERATOR_LINES]:
        what = f"{item.nodes} {item.op}" + (" (no operator of ONNX)" if item.custom else "")
        macs = f", {units.percent(item.macs / coverage.macs)} of the MACs" if item.macs else ""
        yield f"{what} on {item.engine}{macs}, {_share(item.time_s, time_s)} of the time"
    if len(coverage.off_engine) > OPERATOR_LINES:
        rest = coverage.off_engine[OPERATOR_LINES:]
        share = _share(sum(item.time_s for item in rest), time_s)
        yield f"{len(rest)} more operators off the engine, {share} of the time"
    if coverage.off_engine:
        yield (
            f"{coverage.handovers} hand-overs between engines, {units.size(coverage.handover_bytes)}, "
            f"{units.duration(coverage.handover_s)} of the memory's time; "
            f"if {coverage.engine} ran all: {units.duration(coverage.ideal_s)}"
        )
    for toolchain in coverage.toolchains:
        yield _toolchain_remark(toolchain)
    for sentence, nodes in coverage.special:
        yield f"check with the toolchain: {sentence}: {_some(nodes)}"
    yield from network.notices
    yield from _advice_remarks(network.advice)
    for headroom in network.headrooms:
        yield _headroom_remark(headroom)


def _toolchain_remark(found: ToolchainCoverage) -> str:
    refused = sum(count for _, count in found.refused)
    parts = [
        f"{found.toolchain} {found.version}".rstrip() + f" takes {found.nodes - refused}/{found.nodes} nodes"
    ]
    if found.on_cpu:
        parts.append(f"on the chip's CPU {_counts(found.on_cpu)}")
    if found.refused:
        parts.append(f"refuses {_counts(found.refused)}")
    return ", ".join(parts)


def _counts(operators: tuple[tuple[str, int], ...]) -> str:
    return _some(tuple(f"{count} {op}" for op, count in operators))


def _advice_remarks(advice: tuple[Advice, ...]) -> Iterator[str]:
    for item in advice:
        if item.gain_share >= LEAST_GAIN:
            times = f"{units.duration(item.before_s)} to {units.duration(item.after_s)}"
            gain = f"-{units.percent(item.gain_share)}, {item.node_count} nodes"
            where = ", ".join(item.nodes[:NAMES])
            yield f"{item.bound}-bound: {item.what}: {times} ({gain}; most at {where})"
    little = [item.what for item in advice if item.gain_share < LEAST_GAIN]
    if little:
        yield f"less than 1 % each: {'; '.join(little)}"


def _headroom_remark(headroom: Headroom) -> str:
    times = ", ".join(
        f"x{value / headroom.now:g} {units.duration(time_s)}" for value, time_s in headroom.times_s
    )
    enough = (
        "more always gains"
        if headroom.enough is None
        else f"beyond {units.quantity(headroom.enough, headroom.unit)} there is less than 1 % to gain"
    )
    return f"{headroom.figure} {units.quantity(headroom.now, headroom.unit)}: {enough} ({times})"


def _order_remarks(chip: ChipAssessment) -> Iterator[str]:
    for cost in chip.costs:
        total = units.quantity(cost.unit_price * cost.orders, cost.currency)
        each = f"{cost.unit_price:g} {cost.currency} each"
        yield f"{cost.orders} of {cost.item}: {each}, {total} ({cost.source})"
    if chip.orders and not chip.costs:
        yield f"{chip.orders} of it: no price in the profile for that many"


def _power_remarks(chip: ChipAssessment) -> Iterator[str]:
    for mode, power_w in chip.power:
        runs = ", ".join(
            f"{network.label} {_joules(power_w * network.figures[0].time_s)}" for network in chip.networks
        )
        yield f"power: {power_w:g} W ({mode}): at that, a run takes {runs}"


def _share(part_s: float, whole_s: float) -> str:
    return units.percent(part_s / whole_s if whole_s > 0 else None)


def _joules(energy_j: float) -> str:
    for factor, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "µ")):
        if energy_j >= factor:
            return f"{units.digits(energy_j / factor)} {prefix}J"
    return f"{units.digits(energy_j / 1e-9)} nJ"


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - NAMES
    return ", ".join(names[:NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _text(content: str) -> Text:
    return Text(units.printable(content))
