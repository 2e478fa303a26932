"""The work that is left, in a terminal, at most 100 columns wide."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from deploykit.artifacts.work import NetworkWork, WorkEstimate
from deploykit.core.codec import to_plain
from deploykit.reports import units
from deploykit.reports.text import WIDTH, plain_table

_STYLES = {"done": "green", "to do": "", "failed": "red"}


def print_work(view: WorkEstimate, console: Console) -> None:
    """Print a table a network, its risks, and what comes next."""
    width = min(WIDTH, console.width)
    for network in view.networks:
        _print_network(network, f"{network.network} on {view.chip}", console, width)


def work_json(views: Sequence[WorkEstimate]) -> str:
    """Give the estimates as JSON, with the days of what is open."""
    return json.dumps(
        [
            {
                **to_plain(view),
                "networks": [{**to_plain(item), "open_days": item.open_days} for item in view.networks],
            }
            for view in views
        ],
        indent=2,
    )


def _print_network(network: NetworkWork, title: str, console: Console, width: int) -> None:
    given = any(item.days is not None for item in network.items)
    table = plain_table(title)
    for name in ("area", "state"):
        table.add_column(name, no_wrap=True)
    table.add_column("what is known")
    if given:
        table.add_column("days", justify="right")
    for item in network.items:
        cells = [_text(item.area), Text(item.state, _STYLES[item.state]), _text(item.evidence)]
        if given:
            cells.append(_text("" if item.days is None else units.digits(item.days)))
        table.add_row(*cells)
    console.print(table, width=width)
    risks = [(item.area, risk) for item in network.items for risk in item.risks]
    console.print(_text(f"{len(risks)} risks" + (":" if risks else "")), width=width, highlight=False)
    for area, risk in risks:
        console.print(Padding(_text(f"{area}: {risk}"), (0, 0, 0, 3)), width=width, highlight=False)
    _print_open(network, given, console, width)


def _print_open(network: NetworkWork, given: bool, console: Console, width: int) -> None:
    total = f", {units.digits(network.open_days)} days as you gave them" if given else ""
    told = f"{len(network.open)} of {len(network.items)} areas are open{total}"
    console.print(_text(told), width=width, highlight=False)
    for item in network.open:
        console.print(Padding(_text(f"{item.area}: {item.next}"), (0, 0, 0, 3)), width=width, highlight=False)


def _text(content: str) -> Text:
    return Text(units.printable(content))
