"""The run's tables in a terminal, at most 100 columns wide, and the same views as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploykit.core.codec import encode
from deploykit.reports import units
from deploykit.reports.views.nouns.cross_check import CrossCheckView
from deploykit.reports.views.nouns.dumps import DumpsView
from deploykit.reports.views.nouns.memory import BanksView, ReplayRow
from deploykit.reports.views.nouns.run import NetworkView, RunView
from deploykit.reports.views.nouns.segments import SegmentRow, WorstDump
from deploykit.reports.views.nouns.tasks import MetricRow

WIDTH = 100
TENSOR_WIDTH = 22
FALLBACK_LINES = 5
_STYLES = {"better": "green", "worse": "red", "changed": "yellow", "unclear": "dim", "unmeasured": "dim"}
_WORDS = {
    "better": "better",
    "worse": "worse",
    "changed": "changed",
    "unclear": "no clear change",
    "unmeasured": "not measured",
}


def print_run(view: RunView, console: Console) -> None:
    """Print the segments, then the task's metrics, then what needs attention."""
    segments = [segment for network in view.networks for segment in network.segments]
    if segments:
        console.print(_segments_table(view), width=min(WIDTH, console.width))
    if view.task is not None and view.task.metrics:
        console.print(_metrics_table(view), width=min(WIDTH, console.width))
    for line in _remarks(view):
        console.print(line, width=min(WIDTH, console.width), highlight=False)


def run_json(view: RunView) -> str:
    """Give the views as JSON for `--format json`."""
    return encode(view).decode()


def _segments_table(view: RunView) -> Table:
    several = len(view.networks) > 1
    table = plain_table(f"{view.pipeline} on {view.chip}")
    for name in ("segment", "engine", "precision"):
        table.add_column(name, overflow="fold")
    for name in ("MACs", "latency", "bytes", "worst SQNR"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("at tensor", no_wrap=True)
    for network in view.networks:
        for row in network.segments:
            table.add_row(*_segment_cells(row, several))
        if len(network.segments) > 1:
            table.add_row(*_total_cells(network), style="bold", end_section=True)
    return table


def _segment_cells(row: SegmentRow, several: bool) -> list[Text]:
    name = f"{row.network}.{row.segment}" if several else row.segment
    schemes = ", ".join(f"{scheme} {count}" for scheme, count in row.schemes)
    cells = [name, row.engine, schemes or units.NOTHING, units.quantity(row.macs, "")]
    cells += [units.duration(row.time_s), units.size(row.traffic_bytes), *_worst_cells(row.worst)]
    return [_text(cell) for cell in cells]


def _worst_cells(worst: WorstDump | None) -> tuple[str, str]:
    if worst is None:
        return units.NOTHING, ""
    return units.decibel(worst.sqnr_db, worst.equal), units.shortened(worst.tensor, TENSOR_WIDTH)


def _total_cells(network: NetworkView) -> list[Text]:
    cells = [f"{network.network}, all", "", "", units.quantity(network.macs, "")]
    cells += [units.duration(network.time_s), units.size(network.traffic_bytes), "", ""]
    return [_text(cell) for cell in cells]


def _metrics_table(view: RunView) -> Table:
    assert view.task is not None
    table = plain_table(f"{view.task.task} on {view.task.clips} unseen clips")
    table.add_column("metric", overflow="fold")
    for name in ("float", "quantized", "difference"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("90 % interval", no_wrap=True)
    table.add_column("verdict")
    for row in view.task.metrics:
        table.add_row(*_metric_cells(row))
    return table


def _metric_cells(row: MetricRow) -> list[Text]:
    interval = f"[{units.signed(row.difference_low)}, {units.signed(row.difference_high)}]"
    return [
        _text(row.name),
        _text(units.metric(row.float_value, row.unit)),
        _text(units.metric(row.quantized_value, row.unit)),
        _text(units.signed(row.difference)),
        _text(interval),
        Text(_WORDS[row.verdict], _STYLES[row.verdict]),
    ]


def _remarks(view: RunView) -> Iterator[Text]:
    for network in view.networks:
        for style, words in _network_remarks(network):
            yield Text(f"{units.printable(network.network)}: {units.printable(words)}", style)


def _cross_check_words(check: CrossCheckView) -> str:
    there = units.duration(check.theirs_s) if check.theirs_s is not None else "no time"
    said = f"{check.toolchain} for {check.chip}: {there} there, {units.duration(check.ours_s)} predicted here"
    if check.correlation is None:
        return said
    far = units.count(sum(bool(row.reason) for segment in check.segments for row in segment.layers), "layer")
    order = f"rank correlation over {check.compared} layers {check.correlation:.2f}"
    return f"{said}; {order}, more than 2 times apart {far}: see the report"


def _network_remarks(network: NetworkView) -> Iterator[tuple[str, str]]:
    rate = network.rate
    if rate is not None:
        kept = f"{rate.frames - rate.late_frames} of {rate.frames} frames meet their deadline"
        worst = f"worst {units.duration(rate.worst_latency_s)} of {units.duration(rate.deadline_s)}"
        yield "red" if rate.late_frames else "", f"{kept} ({worst})"
    if (predicted := predicted_words(network)) is not None:
        yield "", predicted
    for fallback in network.fallbacks[:FALLBACK_LINES]:
        part = units.percent(fallback.time_share)
        yield (
            "",
            f"{fallback.nodes} {fallback.op} on {fallback.engine}, {part} of the time: {fallback.reason}",
        )
    if len(network.fallbacks) > FALLBACK_LINES:
        yield (
            "",
            f"{len(network.fallbacks) - FALLBACK_LINES} more operators off the main engine: see the report",
        )
    if network.cross_check is not None:
        yield "", _cross_check_words(network.cross_check)
    if network.memory is not None and network.memory.banks is not None:
        yield "", _banks_words(network.memory.banks)
    for replay in network.memory.replays if network.memory else ():
        yield "" if replay.holds else "red", _replay_words(replay)
    if network.dumps is not None:
        yield from _dump_remarks(network.dumps)
    for line in network.simulation:
        yield "", line


def _banks_words(banks: BanksView) -> str:
    """Say what on-chip memory saves."""
    without = f"{units.size(banks.all_dram_bytes)} without on-chip memory"
    least = f"at least {units.size(banks.lower_bound_bytes)} by any plan"
    where = f"{units.count(banks.bank_count, 'bank')} of {units.size(banks.bank_bytes)}"
    return f"{units.size(banks.traffic_bytes)} off chip a frame with {where}; {without}, {least}"


def _replay_words(replay: ReplayRow) -> str:
    """Say what the run inside the planned memory showed."""
    reads, outputs = units.count(replay.reads, "read"), units.count(replay.outputs, "output")
    seen = f"{reads} and {outputs} of {units.count(replay.frames, 'frame')}"
    if replay.holds:
        return f"run inside the planned memory: {seen} bit-equal to the run without a plan"
    faults = units.count(replay.fault_count, "fault")
    return f"run inside the planned memory: {faults} in {seen}: {replay.first_fault}"


def predicted_words(network: NetworkView) -> str | None:
    """Say how sure the time is, and what the data sheet alone says; None where there is nothing to add."""
    if network.low_s is None and network.spec_s is None:
        return None
    words = f"predicted {units.duration(network.time_s)}"
    if network.low_s is not None:
        words += f" ({units.duration(network.low_s)} to {units.duration(network.high_s)})"
    return words + (f", spec roofline {units.duration(network.spec_s)}" if network.spec_s is not None else "")


def _dump_remarks(dumps: DumpsView) -> Iterator[tuple[str, str]]:
    if dumps.failed:
        yield "red", f"{dumps.failed} of {len(dumps.tensors)} tensors differ more than allowed"
    if dumps.first_divergence:
        first = units.shortened(dumps.first_divergence, 60)
        yield "", f"first divergence at {first}: {dumps.divergence_reason}"
    if dumps.missing or dumps.extra:
        yield "yellow", f"not compared: {len(dumps.missing)} missing and {len(dumps.extra)} extra tensors"


def _text(content: str) -> Text:
    return Text(units.printable(content))


def plain_table(title: str) -> Table:
    """Make a table with a title and one line under its head."""
    return Table(
        title=_text(title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        expand=False,
    )
