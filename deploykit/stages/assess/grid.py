"""A network's costs on several chips at several sizes."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from deploykit.artifacts.cost_grid import CostGrid, GridPoint, MeasuredNode
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.core.profile import ChipProfile
from deploykit.stages.assess.network import draft
from deploykit.stages.assess.read import Binding, ReadNetwork, read_network

COLUMNS = ("node", "latency_ms", "chip", "precision")


def cost_grid(
    path: Path,
    profiles: Sequence[ChipProfile],
    *,
    bindings: Sequence[Mapping[str, int]],
    measured: Path | None = None,
) -> CostGrid:
    """Cost every combination of chips and sizes; `measured` is a CSV file of the columns in `COLUMNS`.

    Raises:
        InputError: the model, its sizes or the measurements cannot be read; costs that cannot be predicted.
    """
    sets = [Binding(sizes=binding) for binding in bindings]
    networks = read_network(path, network=path.stem, bindings=sets, simplify=False)  # the user's own nodes
    faults = [*_unused(networks[0], bindings)]
    if faults:
        raise InputError(*faults)
    points = tuple(
        GridPoint(
            profile.name,
            profile.title,
            tuple((engine.name, engine.count) for engine in profile.engines),
            network.sizes,
            draft(network, profile)[1],
        )
        for profile in profiles
        for network in networks
    )
    graph = networks[0].graph
    names = {name: node.id for node in graph.nodes for name in (node.name, *node.outputs, node.id) if name}
    times = read_measured(measured, names, [profile.name for profile in profiles]) if measured else ()
    return CostGrid(path.stem, graph, points, times)


def _unused(network: ReadNetwork, bindings: Sequence[Mapping[str, int]]) -> Iterator[Fault]:
    for name in dict.fromkeys(name for binding in bindings for name in binding):
        if name not in network.free:
            known = f"; free are: {', '.join(network.free)}" if network.free else ""
            yield Fault(
                f"--axis {name}",
                f"the model has no free size of this name{did_you_mean(name, network.free)}{known}",
            )


def read_measured(path: Path, nodes: Mapping[str, str], chips: Collection[str]) -> tuple[MeasuredNode, ...]:
    """Read measured times of nodes; `nodes` gives ids by every name that a node has.

    Raises:
        InputError: everything that is wrong with the file, each fault with its line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise input_error(str(path), f"can't be read: {error}") from None
    head = [name.strip() for name in lines[0]] if lines else []
    unknown = [name for name in head if name not in COLUMNS]
    if unknown or not {"node", "latency_ms"} <= set(head) or len(set(head)) < len(head):
        what = f"columns are {', '.join(head) or 'missing'}"
        raise input_error(f"{path}:1", what, f"known: {', '.join(COLUMNS)}; the first two are needed")
    found: dict[tuple[str, str, str], MeasuredNode] = {}
    faults: list[Fault] = []
    for number, cells in enumerate(lines[1:], start=2):
        row = dict(zip(head, (cell.strip() for cell in cells), strict=False))
        if not any(row.values()):
            continue
        problem = _problem(row, len(cells) == len(head), nodes, chips)
        key = (nodes.get(row.get("node", ""), ""), row.get("chip", ""), row.get("precision", ""))
        problem = problem or ("is the second row of this node" if key in found else "")
        if problem:
            faults.append(Fault(f"{path}:{number}", problem))
            continue
        found[key] = MeasuredNode(key[0], float(row["latency_ms"]) / 1e3, *key[1:])
    if faults:
        raise InputError(*faults)
    return tuple(found.values())


def _problem(row: Mapping[str, str], whole: bool, nodes: Mapping[str, str], chips: Collection[str]) -> str:
    """Say what is wrong with a row; "" if nothing is."""
    if not whole:
        return "has another number of cells than the head"
    if row["node"] not in nodes:
        return f"no node {row['node']!r}{did_you_mean(row['node'], nodes)}"
    if row.get("chip") and row["chip"] not in chips:
        return f"no chip {row['chip']!r}{did_you_mean(row['chip'], chips)}"
    try:
        latency_ms = float(row["latency_ms"])
    except ValueError:
        latency_ms = math.nan
    return "" if 0 < latency_ms < math.inf else f"{row['latency_ms']!r} is no latency in milliseconds"
