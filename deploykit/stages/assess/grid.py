"""A network's costs on several chips at several sizes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from deploykit.artifacts.cost_grid import CostGrid, GridPoint, MeasuredNode
from deploykit.core.csv_file import read_csv
from deploykit.core.errors import Fault, InputError
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
    table = read_csv(path, example=",".join(COLUMNS))
    faults = list(table.head_faults(COLUMNS))
    faults += [
        Fault(table.place, f"the column {name!r} is missing")
        for name in COLUMNS[:2]
        if name not in table.head
    ]
    if faults:
        raise InputError(*faults)
    found: dict[tuple[str, str, str], MeasuredNode] = {}
    for place, cells in table.rows:
        row = table.texts(place, cells, faults)
        if row is None:
            continue
        key = (nodes.get(row["node"], ""), row.get("chip", ""), row.get("precision", ""))
        problem = _problem(row, nodes, chips) or ("is the second row of this node" if key in found else "")
        if problem:
            faults.append(Fault(place, problem))
            continue
        found[key] = MeasuredNode(key[0], float(row["latency_ms"]) / 1e3, *key[1:])
    if faults:
        raise InputError(*faults)
    return tuple(found.values())


def _problem(row: Mapping[str, str], nodes: Mapping[str, str], chips: Collection[str]) -> str:
    """Say what is wrong with a row; "" if nothing is."""
    if row["node"] not in nodes:
        return f"no node {row['node']!r}{did_you_mean(row['node'], nodes)}"
    if row.get("chip") and row["chip"] not in chips:
        return f"no chip {row['chip']!r}{did_you_mean(row['chip'], chips)}"
    try:
        latency_ms = float(row["latency_ms"])
    except ValueError:
        latency_ms = math.nan
    return "" if 0 < latency_ms < math.inf else f"{row['latency_ms']!r} is no latency in milliseconds"
