"""Read the operations of tpu-mlir's text files: what the converter made of an ONNX graph."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

OPERATION = re.compile(r'^\s*(?:%[\w:#, %]+ = )?"(?P<kind>\w+\.\w+)"\(.*loc\((?P<loc>#?\w+|".*")\)\s*$')
LOCATION = re.compile(r"^(?P<alias>#loc\d*) = loc\((?P<value>.*)\)$")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
HELPERS = ("top.Weight", "top.None", "top.Input", "tpu.Load", "tpu.Store")


@dataclass(frozen=True)
class Operation:
    """One operation: its kind ("top.Conv") and the names of its results."""

    kind: str
    names: tuple[str, ...]
    line: int


def read_operations(text: str) -> tuple[Operation, ...]:
    """Give the operations that compute, in order; weights, inputs and moves are left out.

    `line` counts from 1, as the compiler's profile does.
    """
    return tuple(operation for operation in all_operations(text) if operation.kind not in HELPERS)


def all_operations(text: str) -> Iterator[Operation]:
    """Give every operation of a file in order."""
    lines = text.splitlines()
    places = {found["alias"]: found["value"] for line in lines if (found := LOCATION.match(line))}
    for number, line in enumerate(lines, start=1):
        found = OPERATION.match(line)
        if found:
            yield Operation(found["kind"], tuple(_names(found["loc"], places)), number)


def _names(place: str, places: dict[str, str]) -> Iterator[str]:
    """A place is a name, an alias, or several of them (`fused[...]`)."""
    if place in places:
        yield from _names(places[place], places)
    elif place.startswith("fused"):
        for alias in re.findall(r'#loc\d+|"(?:[^"\\]|\\.)*"', place):
            yield from _names(alias, places)
    else:
        yield from QUOTED.findall(place)[:1]
