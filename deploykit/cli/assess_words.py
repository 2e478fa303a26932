"""The words of `deploykit assess`: models with rates, and values for free sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deploykit.analysis.graph_work import all_nodes
from deploykit.core.errors import Fault, InputError, input_error
from deploykit.core.names import did_you_mean
from deploykit.stages.assess.read import Binding, ReadNetwork, read_network


@dataclass(frozen=True)
class _Value:
    """One `NETWORK:NAME=SIZE`: for every network where none is named; several sizes are a whole shape."""

    text: str
    network: str
    name: str
    sizes: tuple[int, ...]
    is_shape: bool


def read_networks(
    models: Sequence[str], bindings: Sequence[str], *, trips: Sequence[str], simplify: bool
) -> tuple[ReadNetwork, ...]:
    """Read every model with every binding. Raises InputError with the faults of all."""
    counts = dict(map(_trip_count, trips))
    rated = [_model(text) for text in models]
    names = tuple(_names([path for path, _ in rated]))
    sets = [_values(text, names) for text in bindings]
    found: list[ReadNetwork] = []
    faults: list[Fault] = []
    for name, (path, rate_hz) in zip(names, rated, strict=True):
        own = [_binding(values, name) for values in sets]
        try:
            found += read_network(path, network=name, rate_hz=rate_hz, bindings=own, simplify=simplify)
        except InputError as error:
            faults += error.faults
    loops = {item.network: _loops(item) for item in found}
    faults = faults or [*_unused(found, [value for values in sets for value in values])]
    faults += _unknown_loops(counts, loops)
    if faults:
        raise InputError(*faults)
    return tuple(_with_trips(item, counts, loops[item.network]) for item in found)


def _loops(network: ReadNetwork) -> frozenset[str]:
    return frozenset(node.id for node in all_nodes(network.graph) if node.subgraphs)


def _unknown_loops(counts: Mapping[str, int], loops: Mapping[str, frozenset[str]]) -> Iterator[Fault]:
    known = frozenset[str]().union(*loops.values())
    for name in counts:
        if loops and name not in known:
            yield Fault(f"--trips {name}", f"no model has such a loop{did_you_mean(name, known)}")


def _with_trips(network: ReadNetwork, counts: Mapping[str, int], loops: frozenset[str]) -> ReadNetwork:
    return replace(network, trip_counts=tuple((name, n) for name, n in counts.items() if name in loops))


def _trip_count(text: str) -> tuple[str, int]:
    name, equals, count = text.rpartition("=")
    if not equals or not name or not count.isdecimal():
        raise input_error(f"--trips {text}", "not of the form NODE=COUNT", "such as decode_loop=100")
    return name, int(count)


def _binding(values: Sequence[_Value], network: str) -> Binding:
    own = [value for value in values if value.network in ("", network)]
    return Binding(
        text=" ".join(value.text for value in own),
        sizes={value.name: value.sizes[0] for value in own if not value.is_shape},
        shapes={value.name: value.sizes for value in own if value.is_shape},
    )


def _unused(networks: Sequence[ReadNetwork], values: Sequence[_Value]) -> Iterator[Fault]:
    for value in dict.fromkeys(values):
        own = [network for network in networks if value.network in ("", network.network)]
        known = {name for network in own for name in (network.inputs if value.is_shape else network.free)}
        if value.name not in known:
            what = "input" if value.is_shape else "free size"
            yield Fault(
                f"--bind {value.text}",
                f"no model has {'an' if value.is_shape else 'a'} {what} of this name"
                f"{did_you_mean(value.name, known)}",
            )


def _names(paths: Sequence[Path]) -> Iterator[str]:
    """Name networks by their files, and number those of one name."""
    seen: dict[str, int] = {}
    for path in paths:
        seen[path.stem] = seen.get(path.stem, 0) + 1
        yield path.stem if seen[path.stem] == 1 else f"{path.stem}~{seen[path.stem]}"


def _model(text: str) -> tuple[Path, float | None]:
    path, at, rate = text.rpartition("@")
    if not at or not path:
        return Path(text), None
    try:
        rate_hz = float(rate)
    except ValueError:
        return Path(text), None  # a path may hold an @
    if not 0 < rate_hz < math.inf:
        raise input_error(text, f"{rate} is no rate", "give runs per second, such as det.onnx@30")
    return Path(path), rate_hz


def _values(text: str, networks: Sequence[str]) -> tuple[_Value, ...]:
    found: dict[tuple[str, str], _Value] = {}
    for part in text.split(","):
        value = _value(part.strip(), text, networks)
        key = (value.network, value.name)
        if key in found:
            what = f"{value.name} is given twice"
            raise input_error(f"--bind {text}", what, "give --bind again for another set")
        found[key] = value
    return tuple(found.values())


def _value(part: str, text: str, networks: Sequence[str]) -> _Value:
    left, equals, right = part.rpartition("=")
    sizes = right.split("x")
    if not equals or not left or not all(size.isdecimal() and int(size) > 0 for size in sizes):
        fix = "such as batch=6,H=480 or image=1x3x480x640"
        raise input_error(f"--bind {text}", f"{part!r} is not of the form NAME=SIZE", fix)
    network, colon, name = left.partition(":")
    if not colon or network not in networks:  # names of sizes may hold a colon
        network, name = "", left
    shown = f"{name}={right}"
    return _Value(shown, network, name, tuple(map(int, sizes)), len(sizes) > 1)
